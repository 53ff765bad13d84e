-- From one type to the next in the index of types: as many steps as there are types, however many events.
with recursive found (event_type) as (
    (select event_type from {schema}.events order by event_type limit 1)
    union all
    select (select next.event_type from {schema}.events next
             where next.event_type > found.event_type
             order by next.event_type
             limit 1)
      from found
     where found.event_type is not null
)
select event_type from found where event_type is not null
