-- From one name to the next in the index of streams and versions: the events in between are not read.
with recursive page (stream) as (
      select min(stream) from events where stream > $1 and stream < $2
       union all
      select (select min(events.stream) from events where events.stream > page.stream and events.stream < $2)
        from page
       where page.stream is not null
       limit $3
)
select page.stream, (select max(version) from events where events.stream = page.stream)
  from page
 where page.stream is not null
