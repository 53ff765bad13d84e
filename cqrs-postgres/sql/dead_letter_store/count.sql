select count(distinct (partition, document)) filter (where document is not null),
       count(document),
       count(*) - count(document)
  from {schema}.dead_letters
 where projection = $1 and generation = $2 and discarded_at is null
