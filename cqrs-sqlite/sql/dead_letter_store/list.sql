-- Null stands for any.
select letter_id, projection, generation, partition, document, position, event_id, event_type, stream, cause, error, attempts,
       first_at, last_at, to_replay, removing, discarded_at, reason
  from dead_letters
 where projection = $1
   and generation = coalesce($2, generation)
   and ($3 is null or document = $3)
   and ($4 is null or (discarded_at is not null) = $4)
   and ($5 is null or (cause is not null) = $5)
   and (position, letter_id) > ($6, $7)
 order by position, letter_id
 limit $8
