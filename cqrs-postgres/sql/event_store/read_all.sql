-- The head comes from the same snapshot as the page: a page that is not full has seen everything up to it.
select page.position, page.event_id, page.stream, page.version, page.event_type, page.recorded_at, page.occurred_at,
       page.payload, page.metadata, head.position as head
  from (select coalesce((select position from {schema}.events order by position desc limit 1), 0) as position) head
  left join lateral (
        select * from {schema}.events where position > $1 and position <= $2 order by position limit $3
       ) page on true
