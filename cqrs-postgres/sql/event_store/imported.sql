select position, event_id, stream, version, event_type, recorded_at, occurred_at, payload, metadata
  from {schema}.events
 where event_id = any($1)
