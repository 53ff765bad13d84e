-- Takes the write lock, then reads what a group is decided on: the newest event (without a stream), the heads of the streams
-- in $1 (without an id, and with a position when they are archived), and the events whose ids are in $2.
begin immediate;

select null as event_id, null as stream, null as version, position, recorded_at, null as event_type, null as payload
  from (select position, recorded_at from events order by position desc limit 1)
union all
select null, value, (select max(version) from events where stream = value),
       (select archived_position from stream_facts where stream = value), null, null, null
  from json_each($1)
union all
select event_id, stream, version, position, recorded_at, event_type, payload
  from events
 where event_id in (select unhex(value) from json_each($2))
