with owner as materialized (
    select token
      from {schema}.dead_letter_owners
     where projection = $1 and generation = $2 and partition = $3
       for share
), failed as (
    update {schema}.dead_letters
       set to_replay = false,
           cause = case when position = $6 and discarded_at is null then $7 else cause end,
           error = case when position = $6 and discarded_at is null then $8 else error end,
           attempts = case when position = $6 and discarded_at is null then attempts + $9 else attempts end,
           last_at = case when position = $6 and discarded_at is null then clock_timestamp() else last_at end
     where projection = $1 and generation = $2 and partition = $3 and document = $5
       and (to_replay or position = $6)
       and (select token from owner) <= $4
)
select token from owner
