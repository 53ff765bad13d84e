select actual_store, reused, written
  from {schema}.enqueue($1, $2, $3, $4, $5, $6, $7)
