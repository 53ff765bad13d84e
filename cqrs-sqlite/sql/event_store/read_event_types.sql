-- As read_all. Each type is followed in its own index, up to the last position that the page can need of it: a rare one
-- is found without reading what lies between.
select (select coalesce(max(position), 0) from events),
       group_concat(format('%d %d %d %s %s %s %d %d %s' || char(10) || '%s%s', position, version, recorded_at,
                            occurred_at, hex(event_id), event_type, octet_length(metadata), octet_length(payload),
                            stream, metadata, payload), '') filter (where not skipped),
       count(*), max(position)
  from (select position, version, recorded_at, occurred_at, event_id, event_type, stream, metadata, payload,
               $4 and exists (select 1
                                from stream_facts facts
                               where facts.stream = events.stream and archived_position is not null) as skipped
          from events
         where position in (
               select found.position
                 from json_each($5) wanted
                cross join events found
                where found.event_type = wanted.value
                  and found.position > $1
                  and found.position <= coalesce((select position
                                                    from events
                                                   where event_type = wanted.value and position > $1 and position <= $2
                                                   order by position
                                                   limit 1 offset $3 - 1), $2))
         order by position
         limit $3)
