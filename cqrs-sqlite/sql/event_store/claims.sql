select key, stream
  from claims
 where key in (select value from json_each($1)) and stream is not null
