select accepted, first_position, recorded, heads
  from {schema}.append_tagged($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
