-- Each category is followed in its own index, so that a rare one is found without reading what lies between.
-- Of archived streams that are skipped ($4) only the place is given.
select page.position, case when not page.skipped then page.event_id end, page.stream, page.version, page.event_type,
       page.recorded_at, page.occurred_at,
       case when not page.skipped then page.payload end, case when not page.skipped then page.metadata end,
       head.position as head
  from (select coalesce((select position from {schema}.events order by position desc limit 1), 0) as position) head
  left join lateral (
        select e.*, $4 and exists (select from {schema}.stream_facts facts
                           where facts.stream = e.stream and facts.archived_position is not null) as skipped
          from (select found.position
                  from unnest($5::text[]) as wanted (category)
                 cross join lateral (
                        select position from {schema}.events
                         where split_part(stream, '-', 1) = wanted.category and position > $1 and position <= $2
                         order by position
                         limit $3
                       ) found
                 order by found.position
                 limit $3) matching
          join {schema}.events e on e.position = matching.position
       ) page on true
