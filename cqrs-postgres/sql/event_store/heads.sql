select coalesce(head.version, 0), facts.archived_position is not null
  from unnest($1::text[]) with ordinality as wanted (stream, ordinality)
  left join lateral (
        select version from {schema}.events where stream = wanted.stream order by version desc limit 1
       ) head on true
  left join {schema}.stream_facts facts on facts.stream = wanted.stream
 order by wanted.ordinality
