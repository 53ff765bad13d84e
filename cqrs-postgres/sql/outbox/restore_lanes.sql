-- Every open message has a lane, unless somebody took it away. From lane to lane, and not through all of their messages.
with recursive open (lane) as (
        (select lane from {schema}.outbox where status in ('pending', 'parked') order by lane limit 1)
         union all
        select (select message.lane from {schema}.outbox message
                 where message.status in ('pending', 'parked') and message.lane > open.lane
                 order by message.lane
                 limit 1)
          from open
         where open.lane is not null)
insert into {schema}.outbox_lanes (lane)
select open.lane
  from open
 where open.lane is not null
   and not exists (select from {schema}.outbox_lanes lanes where lanes.lane = open.lane)
    on conflict (lane) do nothing
