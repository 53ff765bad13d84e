-- Every open message has a lane, unless somebody took it away.
insert into {schema}.outbox_lanes (lane)
select distinct message.lane
  from {schema}.outbox message
 where message.status in ('pending', 'parked')
   and not exists (select from {schema}.outbox_lanes lanes where lanes.lane = message.lane)
    on conflict (lane) do nothing
