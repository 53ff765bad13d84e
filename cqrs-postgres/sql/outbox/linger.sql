-- Somebody is enqueueing to these lanes and has not committed: they are looked at again, ever more rarely.
update {schema}.outbox_lanes lanes
   set empty_since = coalesce(empty_since, clock_timestamp()),
       due_at = clock_timestamp() + least(greatest(clock_timestamp() - coalesce(empty_since, clock_timestamp()),
                                                   interval '5 milliseconds'), $2 * interval '1 microsecond')
 where lanes.lane = any($1) and lanes.owner is null
   and not exists (select from {schema}.outbox where lane = lanes.lane and status in ('pending', 'parked'))
