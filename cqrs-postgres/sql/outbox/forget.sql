delete from {schema}.outbox_lanes lanes
 where lanes.lane = any($1) and lanes.owner is null
   and not exists (select from {schema}.outbox where lane = lanes.lane and status in ('pending', 'parked'))
