select count(*) filter (where status = 'pending'),
       count(*) filter (where status = 'parked'),
       (extract(epoch from clock_timestamp() - min(enqueued_at) filter (where status = 'pending')) * 1000000)::bigint
  from {schema}.outbox
 where status in ('pending', 'parked')
