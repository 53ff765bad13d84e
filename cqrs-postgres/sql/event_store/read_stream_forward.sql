-- A truncated stream has one row more, without an event: from the same snapshot, and there also when the page is empty.
(select position, event_id, stream, version, event_type, recorded_at, occurred_at, payload, metadata,
        null::bigint as truncated_before
   from {schema}.events
  where stream = $1
    and version >= greatest($2, (select truncated_before from {schema}.stream_facts where stream = $1))
    and version <= $3 and recorded_at <= $4 and position <= $5
  order by version
  limit $6)
union all
select null, null, null, null, null, null, null, null, null, truncated_before
  from {schema}.stream_facts
 where stream = $1 and truncated_before is not null
