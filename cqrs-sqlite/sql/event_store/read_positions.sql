-- The events at the positions in $1. Packed as a page is: see row.rs. Of archived streams that are skipped ($2) there is
-- nothing.
select group_concat(format('%d %d %d %s %s %s %d %d %s' || char(10) || '%s%s', position, version, recorded_at,
                            occurred_at, hex(event_id), event_type, octet_length(metadata), octet_length(payload),
                            stream, metadata, payload), '')
  from (select *
          from events
         where position in (select value from json_each($1))
           and not ($2 and exists (select 1
                                     from stream_facts facts
                                    where facts.stream = events.stream and archived_position is not null))
         order by position)
