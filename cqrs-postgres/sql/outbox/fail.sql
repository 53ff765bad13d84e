-- Only in lanes that this relay still owns.
update {schema}.outbox message
   set attempts = message.attempts + 1,
       failing_since = coalesce(message.failing_since, clock_timestamp()),
       reason = failed.reason,
       status = case when failed.parked then 'parked' else 'pending' end
  from unnest($1::bigint[], $2::text[], $3::boolean[]) as failed (sequence, reason, parked),
       {schema}.outbox_lanes lanes
 where message.sequence = failed.sequence and message.status = 'pending'
   and lanes.lane = message.lane and lanes.owner = $4
