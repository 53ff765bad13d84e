insert into dead_letters (letter_id, projection, generation, partition, document, position, event_id, event_type, stream,
                          cause, error, attempts, first_at, last_at, to_replay)
select unhex(new.value ->> 'letter_id'), $1, $2, $3, new.value ->> 'document', new.value ->> 'position',
       unhex(new.value ->> 'event_id'), new.value ->> 'event_type', new.value ->> 'stream', new.value ->> 'cause',
       new.value ->> 'error', new.value ->> 'attempts', cast(unixepoch('subsec') * 1000000 as integer),
       cast(unixepoch('subsec') * 1000000 as integer),
       exists (select 1 from dead_letters marked
                where marked.projection = $1 and marked.generation = $2 and marked.partition = $3
                  and marked.document = new.value ->> 'document' and marked.discarded_at is null and marked.to_replay)
  from json_each($5) new
 where (select token from dead_letter_owners where projection = $1 and generation = $2 and partition = $3) <= $4
    on conflict (letter_id) do nothing
