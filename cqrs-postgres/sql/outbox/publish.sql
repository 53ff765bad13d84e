-- Only in lanes that this relay still owns.
update {schema}.outbox message
   set status = 'published', settled_at = clock_timestamp(), reason = null
  from {schema}.outbox_lanes lanes
 where message.sequence = any($1) and message.status = 'pending' and lanes.lane = message.lane and lanes.owner = $2
