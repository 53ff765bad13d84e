-- From one type to the next in the index of types: as many steps as there are types, however many events.
with recursive found (event_type) as (
    select min(event_type) from events
    union all
    select (select min(next.event_type) from events next where next.event_type > found.event_type)
      from found
     where found.event_type is not null
)
select event_type from found where event_type is not null
