select coalesce(head.version, 0),
       (select archived_position from {schema}.stream_facts facts where facts.stream = wanted.stream) is not null
  from unnest($1::text[]) with ordinality as wanted (stream, ordinality)
  left join lateral (
        select version from {schema}.events where stream = wanted.stream order by version desc limit 1
       ) head on true
 order by wanted.ordinality
