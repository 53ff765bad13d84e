insert into {schema}._indexes (projection, generation, name, definition)
values ($1, $2, $3, $4)
