-- A lane without a delay is not due again until an operator says so.
update {schema}.outbox_lanes lanes
   set owner = null,
       due_at = coalesce(clock_timestamp() + released.delay * interval '1 microsecond', 'infinity'),
       empty_since = case when released.had_messages then null else lanes.empty_since end
  from unnest($1::text[], $2::bigint[], $3::boolean[]) as released (lane, delay, had_messages)
 where lanes.lane = released.lane and lanes.owner = $4
