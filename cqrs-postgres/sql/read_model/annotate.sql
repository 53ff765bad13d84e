update {schema}._generations
   set note = $3
 where projection = $1 and generation = $2 and not dropped
