-- From one name to the next in the primary key: the snapshots in between are not read.
with recursive page (stream, number) as (
      select (select stream from {schema}.snapshots where stream > $1 and stream < $2 order by stream limit 1), 1::bigint
       union all
      select (select snapshots.stream from {schema}.snapshots
               where snapshots.stream > page.stream and snapshots.stream < $2
               order by snapshots.stream
               limit 1), page.number + 1
        from page
       where page.stream is not null and page.number < $3
)
select count(stream), max(stream) from page
