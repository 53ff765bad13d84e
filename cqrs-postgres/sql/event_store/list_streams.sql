-- From one name to the next in the index of streams and versions: the events in between are not read.
with recursive page (stream, number) as (
      select (select stream from {schema}.events where stream > $1 and stream < $2 order by stream limit 1), 1::bigint
       union all
      select (select events.stream from {schema}.events
               where events.stream > page.stream and events.stream < $2
               order by events.stream
               limit 1), page.number + 1
        from page
       where page.stream is not null and page.number < $3
)
select page.stream, newest.version
  from page
 cross join lateral (
        select version from {schema}.events where events.stream = page.stream order by version desc limit 1
       ) newest
 order by page.number
