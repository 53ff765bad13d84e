select key, reason
  from {schema}._refused($1, $2, $3, $4, $5, $6)
