with owner as materialized (
    select token
      from {schema}.dead_letter_owners
     where projection = $1 and generation = $2 and partition = $3
       for share
), kept as (
    insert into {schema}.dead_letters (letter_id, projection, generation, partition, document, position, event_id, event_type,
                                       stream, cause, error, attempts, first_at, last_at, to_replay)
    select new.letter_id, $1, $2, $3, new.document, new.position, new.event_id, new.event_type,
           new.stream, new.cause, new.error, new.attempts, statement_timestamp(), statement_timestamp(),
           exists (select from {schema}.dead_letters marked
                    where marked.projection = $1 and marked.generation = $2 and marked.partition = $3
                      and marked.document = new.document and marked.discarded_at is null and marked.to_replay)
      from owner, unnest($5::uuid[], $6::text[], $7::bigint[], $8::uuid[], $9::text[], $10::text[], $11::text[],
                         $12::text[], $13::bigint[])
           as new (letter_id, document, position, event_id, event_type, stream, cause, error, attempts)
     where owner.token <= $4
        on conflict on constraint dead_letters_letter_id do nothing
)
select token from owner
