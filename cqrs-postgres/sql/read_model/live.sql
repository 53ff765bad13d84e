select live
  from {schema}._projections
 where projection = $1
