select (select version from {schema}.events where stream = $1 order by version desc limit 1),
       coalesce(newest.position, 0), greatest(clock_timestamp(), newest.recorded_at),
       facts.archived_position, facts.archived_at, facts.truncated_before
  from (select) one
  left join lateral (
        select position, recorded_at from {schema}.events order by position desc limit 1
       ) newest on true
  left join {schema}.stream_facts facts on facts.stream = $1
