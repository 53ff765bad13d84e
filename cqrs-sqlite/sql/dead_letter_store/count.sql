select count(distinct partition || ' ' || document), count(document), count(*) - count(document)
  from dead_letters
 where projection = $1 and generation = $2 and discarded_at is null
