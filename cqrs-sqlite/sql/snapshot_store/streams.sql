-- From one name to the next in the primary key: the snapshots in between are not read.
with recursive page (stream) as (
      select min(stream) from snapshots where stream > $1 and stream < $2
       union all
      select (select min(snapshots.stream) from snapshots where snapshots.stream > page.stream and snapshots.stream < $2)
        from page
       where page.stream is not null
       limit $3
)
select count(stream), max(stream) from page
