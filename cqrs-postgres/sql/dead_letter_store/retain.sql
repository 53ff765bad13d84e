with owners as (
    delete from {schema}.dead_letter_owners
     where projection = $1 and generation <> all ($2)
), dropped as (
    delete from {schema}.dead_letters
     where projection = $1 and generation <> all ($2) and discarded_at is null
)
update {schema}.dead_letters
   set to_replay = false
 where projection = $1 and generation <> all ($2) and discarded_at is not null and to_replay
