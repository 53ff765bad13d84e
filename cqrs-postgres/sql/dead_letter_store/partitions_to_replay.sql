select distinct partition
  from {schema}.dead_letters
 where projection = $1 and generation = $2 and to_replay
