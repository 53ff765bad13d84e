with owner as materialized (
    select token
      from {schema}.dead_letter_owners
     where projection = $1 and generation = $2 and partition = $3
       for share
), noted as (
    update {schema}.dead_letters
       set removing = position <= $6
     where projection = $1 and generation = $2 and partition = $3 and document = $5 and discarded_at is null
       and (select token from owner) <= $4
)
select token from owner
