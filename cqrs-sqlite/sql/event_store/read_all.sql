-- The head comes from the same snapshot as the page: a page that is not full has seen everything up to it. Packed: a value
-- for each column of each event takes twice as long on its way. See row.rs. Events of
-- archived streams that are skipped ($4) are counted only.
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
         where position > $1 and position <= $2
         order by position
         limit $3)
