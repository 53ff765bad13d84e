select version, position, event_id, recorded_at, happened_until, state
  from snapshots
 where stream = $1 and state_version = $2 and fingerprint = $3
   and version <= $4 and position <= $5 and recorded_at <= $6 and happened_until <= $7
 order by version desc
 limit 1
