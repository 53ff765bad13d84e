select position, event_id, stream, version, event_type, recorded_at, occurred_at, payload, metadata
  from {schema}.events
 where stream = $1 and version >= $2 and version <= $3 and recorded_at <= $4 and position <= $5
 order by version desc
 limit $6
