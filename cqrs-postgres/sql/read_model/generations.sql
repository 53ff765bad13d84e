select generation
  from {schema}._generations
 where projection = $1 and not dropped
 order by generation
