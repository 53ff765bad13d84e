with owner as materialized (
    select token
      from {schema}.dead_letter_owners
     where projection = $1 and generation = $2 and partition = $3
       for share
), removed as (
    delete from {schema}.dead_letters
     where projection = $1 and generation = $2 and partition = $3 and document = $5 and position <= $6
       and discarded_at is null
       and (select token from owner) <= $4
), unmarked as (
    update {schema}.dead_letters
       set to_replay = false
     where projection = $1 and generation = $2 and partition = $3 and document = $5 and position <= $6
       and discarded_at is not null and to_replay
       and (select token from owner) <= $4
)
select token from owner
