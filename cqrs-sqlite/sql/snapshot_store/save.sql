insert into snapshots
       (stream, state_version, fingerprint, version, position, event_id, recorded_at, happened_until, state)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
    on conflict (stream, state_version, fingerprint, version) do update
   set position = excluded.position,
       event_id = excluded.event_id,
       recorded_at = excluded.recorded_at,
       happened_until = excluded.happened_until,
       state = excluded.state
