-- Announces that a relay waits, and tells when the next lane is due, in microseconds.
with waits as (update {schema}.outbox_relay set waiting = true where not waiting returning one)
select exists (select from waits),
       (select (extract(epoch from due_at - clock_timestamp()) * 1000000)::bigint
          from {schema}.outbox_lanes where due_at < 'infinity' order by due_at limit 1)
