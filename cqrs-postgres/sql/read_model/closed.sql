select generation
  from {schema}._generations
 where projection = $1 and dropped
 order by generation
