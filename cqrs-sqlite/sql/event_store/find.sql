-- Under the write lock: what other processes are writing is settled.
begin immediate;

select event_id, stream, version, position, recorded_at, event_type, payload
  from events
 where event_id in (select unhex(value) from json_each($1))
