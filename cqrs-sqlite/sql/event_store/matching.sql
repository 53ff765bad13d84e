-- For each item of a query in $1 the positions of the first $2 events that match it, after one position and up to another.
-- Each is followed in an index; of several tags, one with few events leads.
select case
       when json_array_length(item.value, '$.tags') > 0 then (
            select json_group_array(position)
              from (select t.position
                      from event_tags t
                     where t.tag = (select tag.value
                                      from json_each(item.value, '$.tags') tag
                                     order by (select count(*)
                                                 from (select 1 from event_tags few where few.tag = tag.value limit 100))
                                     limit 1)
                       and t.position > item.value ->> 'after'
                       and t.position <= item.value ->> 'until'
                       and (json_array_length(item.value, '$.types') = 0
                            or t.event_type in (select value from json_each(item.value, '$.types')))
                       and not exists (select 1
                                         from json_each(item.value, '$.tags') tag
                                        where not exists (select 1
                                                            from event_tags other
                                                           where other.tag = tag.value and other.position = t.position))
                     order by t.position
                     limit $2))
       when json_array_length(item.value, '$.types') > 0 then (
            select json_group_array(position)
              from (select distinct found.position
                      from json_each(item.value, '$.types') wanted
                     cross join events found
                     where found.event_type = wanted.value
                       and found.position > item.value ->> 'after'
                       and found.position <= coalesce((select position
                                                         from events
                                                        where event_type = wanted.value
                                                          and position > item.value ->> 'after'
                                                          and position <= item.value ->> 'until'
                                                        order by position
                                                        limit 1 offset $2 - 1), item.value ->> 'until')
                     order by found.position
                     limit $2))
       else (select json_group_array(position)
               from (select position
                       from events
                      where position > item.value ->> 'after' and position <= item.value ->> 'until'
                      order by position
                      limit $2))
       end
  from json_each($1) item
 order by item.key
