-- Lanes whose rows somebody else is changing are passed over: only relays and operators do, and not for long.
with claimed as (
        update {schema}.outbox_lanes lanes
           set due_at = clock_timestamp() + $2 * interval '1 microsecond', owner = $1
          from (select lane from {schema}.outbox_lanes
                 where due_at <= statement_timestamp()
                 order by due_at
                 limit $3
                   for update skip locked) due
         where lanes.lane = due.lane
     returning lanes.lane),
     at_work as (
        update {schema}.outbox_relay set waiting = false where waiting and exists (select from claimed))
select lane from claimed
