-- For each item of a query the first event that matches it after a position.
select wanted.ordinality - 1, found.position
  from unnest($1::text[], $2::bigint[]) with ordinality as wanted (item, after, ordinality)
 cross join lateral {schema}.matching_events(wanted.item::json, wanted.after, 9223372036854775807, 1) as found (position)
