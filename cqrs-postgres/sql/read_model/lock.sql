select highest
  from {schema}._projections
 where projection = $1
   for update
