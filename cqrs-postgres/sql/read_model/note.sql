select note
  from {schema}._generations
 where projection = $1 and generation = $2 and not dropped
