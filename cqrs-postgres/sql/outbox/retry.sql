-- Null stands for all of them.
with retried as (
        update {schema}.outbox
           set status = 'pending', attempts = 0, failing_since = null
         where status = 'parked' and message_id = coalesce($1, message_id)
     returning lane),
     released as (
        insert into {schema}.outbox_lanes (lane)
        select distinct lane from retried
            on conflict (lane) do update set due_at = clock_timestamp(), owner = null
     returning lane)
select count(*), (select count(pg_notify('cqrs_outbox_{schema}', '')) from released) from retried
