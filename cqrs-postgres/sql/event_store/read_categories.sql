-- Each category is followed in its own index, so that a rare one is found without reading what lies between.
select page.position, page.event_id, page.stream, page.version, page.event_type, page.recorded_at, page.occurred_at,
       page.payload, page.metadata, head.position as head
  from (select coalesce((select position from {schema}.events order by position desc limit 1), 0) as position) head
  left join lateral (
        select e.*
          from (select found.position
                  from unnest($4::text[]) as wanted (category)
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
