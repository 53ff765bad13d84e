-- Each item of the query ($5) is followed in an index, so that rare events are found without reading what lies between.
-- Of archived streams that are skipped ($4) only the place is given.
select page.position, case when not page.skipped then page.event_id end, page.stream, page.version, page.event_type,
       page.recorded_at, page.occurred_at,
       case when not page.skipped then page.payload end, case when not page.skipped then page.metadata end,
       head.position as head
  from (select coalesce((select position from {schema}.events order by position desc limit 1), 0) as position) head
  left join lateral (
        select e.*, $4 and exists (select from {schema}.stream_facts facts
                           where facts.stream = e.stream and facts.archived_position is not null) as skipped
          from (select distinct found.position
                  from json_array_elements($5::json) as wanted (item)
                 cross join lateral {schema}.matching_events(wanted.item, $1, $2, $3) as found (position)
                 order by found.position
                 limit $3) matching
          join {schema}.events e on e.position = matching.position
       ) page on true
