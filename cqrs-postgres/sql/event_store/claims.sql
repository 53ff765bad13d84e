select key, stream
  from {schema}.claims
 where key = any($1) and stream is not null
