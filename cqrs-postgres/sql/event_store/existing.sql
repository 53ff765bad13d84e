select event_id, stream, version, position, recorded_at, event_type, payload
  from {schema}.events
 where event_id = any($1)
