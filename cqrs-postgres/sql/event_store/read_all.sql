-- The head comes from the same snapshot as the page: a page that is not full has seen everything up to it. Of archived
-- streams that are skipped ($4) only the place is given.
select page.position, case when not page.skipped then page.event_id end, page.stream, page.version, page.event_type,
       page.recorded_at, page.occurred_at,
       case when not page.skipped then page.payload end, case when not page.skipped then page.metadata end,
       head.position as head
  from (select coalesce((select position from {schema}.events order by position desc limit 1), 0) as position) head
  left join lateral (
        select e.*, $4 and exists (select from {schema}.stream_facts facts
                           where facts.stream = e.stream and facts.archived_position is not null) as skipped
          from {schema}.events e
         where position > $1 and position <= $2
         order by position
         limit $3
       ) page on true
