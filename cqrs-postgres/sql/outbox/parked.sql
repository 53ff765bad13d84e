select lane, sequence, message_id, topic, keyed, payload, headers, attempts, reason, enqueued_at
  from {schema}.outbox
 where status = 'parked'
 order by sequence
 limit $1
