select name, definition
  from {schema}._indexes
 where projection = $1 and generation = $2
