select token
  from dead_letter_owners
 where projection = $1 and generation = $2 and partition = $3
