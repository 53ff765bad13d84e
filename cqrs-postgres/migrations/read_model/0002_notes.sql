-- What a generation is for, in the words of whoever began it.
alter table {schema}._generations add column note text;
