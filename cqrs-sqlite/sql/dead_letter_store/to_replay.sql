select distinct document
  from dead_letters
 where projection = $1 and generation = $2 and partition = $3 and to_replay
 order by document
 limit $4
