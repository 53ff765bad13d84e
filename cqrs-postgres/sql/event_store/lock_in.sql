select actual_store, isolation
  from {schema}.lock_appends($1, $2)
