-- Without document: how many there are.
select document, min(position) as position, false as discarded
  from {schema}.dead_letters
 where projection = $1 and generation = $2 and partition = $3
   and discarded_at is null and document is not null
 group by document
union all
select document, position, true
  from {schema}.dead_letters
 where projection = $1 and generation = $2 and partition = $3 and position > $4
   and discarded_at is not null and document is not null
union all
select null, count(*), false
  from {schema}.dead_letters
 where projection = $1 and generation = $2 and partition = $3
   and discarded_at is null and document is null
