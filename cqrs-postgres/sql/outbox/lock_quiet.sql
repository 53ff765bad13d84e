-- The lanes to which nobody is enqueueing: whoever does so now waits until this transaction ends.
select lane
  from unnest($1::text[]) as wanted (lane)
 where pg_try_advisory_xact_lock(hashtextextended('cqrs-outbox:{schema}:' || lane, 0))
