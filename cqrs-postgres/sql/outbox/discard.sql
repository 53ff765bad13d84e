with discarded as (
        update {schema}.outbox
           set status = 'discarded', settled_at = clock_timestamp(), reason = $2
         where status = 'parked' and message_id = $1
     returning lane),
     released as (
        insert into {schema}.outbox_lanes (lane)
        select lane from discarded
            on conflict (lane) do update set due_at = clock_timestamp(), owner = null
     returning lane)
select count(*), (select count(pg_notify('cqrs_outbox_{schema}', '')) from released) from discarded
