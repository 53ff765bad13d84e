select coalesce(head.version, 0)
  from unnest($1::text[]) with ordinality as wanted (stream, ordinality)
  left join lateral (
        select version from {schema}.events where stream = wanted.stream order by version desc limit 1
       ) head on true
 order by wanted.ordinality
