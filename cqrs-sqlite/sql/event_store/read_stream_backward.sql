-- Packed: a value for each column of each event takes twice as long on its way. See row.rs.
select (select truncated_before from stream_facts where stream = $1),
       group_concat(format('%d %d %d %s %s %s %d %d %s' || char(10) || '%s%s', position, version, recorded_at,
                            occurred_at, hex(event_id), event_type, octet_length(metadata), octet_length(payload),
                            stream, metadata, payload), '')
  from (select position, version, recorded_at, occurred_at, event_id, event_type, stream, metadata, payload
          from events
         where stream = $1
           and version >= max($2, coalesce((select truncated_before from stream_facts where stream = $1), 1))
           and version <= $3 and recorded_at <= $4 and position <= $5
         order by version desc
         limit $6)
