-- The head comes from the same snapshot as the page: a page that is not full has seen everything up to it. Packed: a value
-- for each column of each event takes twice as long on its way. See row.rs.
select (select coalesce(max(position), 0) from events),
       group_concat(format('%d %d %d %s %s %s %d %d %s' || char(10) || '%s%s', position, version, recorded_at,
                            occurred_at, hex(event_id), event_type, octet_length(metadata), octet_length(payload),
                            stream, metadata, payload), '')
  from (select position, version, recorded_at, occurred_at, event_id, event_type, stream, metadata, payload
          from events
         where position > $1 and position <= $2
         order by position
         limit $3)
