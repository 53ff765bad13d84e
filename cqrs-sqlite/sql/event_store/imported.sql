-- The events whose ids are in $1, each with all its fields. Packed as a page is: see row.rs.
select group_concat(format('%d %d %d %s %s %s %d %d %s' || char(10) || '%s%s', position, version, recorded_at,
                            occurred_at, hex(event_id), event_type, octet_length(metadata), octet_length(payload),
                            stream, metadata, payload), '')
  from events
 where event_id in (select unhex(value) from json_each($1))
