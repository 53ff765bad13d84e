-- What is known of a stream besides its events: a row only for those of which something is.
create table {schema}.stream_facts (
    stream text collate "C" primary key,
    archived_position bigint,
    archived_at timestamptz,
    truncated_before bigint check (truncated_before > 1),
    check ((archived_position is null) = (archived_at is null)),
    check (archived_position is not null or truncated_before is not null)
);

-- Who reads events reads what is known of their streams.
do $grant$
declare
    reader text;
begin
    for reader in
        select case grantee when 0 then 'public' else grantee::regrole::text end
          from pg_class, aclexplode(relacl)
         where oid = '{schema}.events'::regclass and privilege_type = 'SELECT'
    loop
        execute 'grant select on {schema}.stream_facts to ' || reader;
    end loop;
end
$grant$;

-- As before, but no event is written to an archived stream: then, too, nothing is written and accepted is false.
create or replace function {schema}.append_events(
    streams text[],
    lowest bigint[],
    highest bigint[],
    event_ids uuid[],
    event_streams text[],
    stream_indexes int[],
    version_offsets bigint[],
    event_types text[],
    occurred timestamptz[],
    payloads text[],
    metadatas text[],
    out accepted boolean,
    out first_position bigint,
    out recorded timestamptz,
    out heads bigint[]
)
language plpgsql
volatile
set plan_cache_mode = 'force_generic_plan'
set enable_seqscan = off
set enable_bitmapscan = off
set jit = off
as $append_events$
declare
    last_position bigint;
    last_recorded timestamptz;
begin
    if current_setting('transaction_isolation') <> 'read committed' then
        raise exception 'append_events runs under read committed only' using errcode = 'invalid_transaction_state';
    end if;
    perform pg_advisory_xact_lock(hashtextextended('cqrs:{schema}', 0));

    select array_agg(coalesce(head.version, 0) order by wanted.ordinality),
           bool_and(coalesce(head.version, 0) between wanted.lowest and wanted.highest)
               and not exists (
                   select
                     from {schema}.stream_facts facts
                    where facts.stream = any(event_streams) and facts.archived_position is not null
               )
      into heads, accepted
      from unnest(streams, append_events.lowest, append_events.highest) with ordinality as wanted (stream, lowest, highest, ordinality)
      left join lateral (
            select e.version
              from {schema}.events e
             where e.stream = wanted.stream and e.version >= wanted.lowest
             order by e.version desc
             limit 1
           ) head on true;
    if not accepted then
        return;
    end if;

    select e.position, e.recorded_at
      into last_position, last_recorded
      from {schema}.events e
     order by e.position desc
     limit 1;
    first_position := coalesce(last_position, 0) + 1;
    recorded := greatest(clock_timestamp(), last_recorded + interval '1 microsecond');

    perform set_config('cqrs.appending', '{schema}', true);
    insert into {schema}.events
           (position, version, recorded_at, occurred_at, event_id, stream, event_type, payload, metadata)
    select first_position + new.ordinality - 1, heads[new.stream_index] + new.version_offset, recorded, new.occurred_at,
           new.event_id, new.stream, new.event_type, new.payload::json, new.metadata::json
      from unnest(event_ids, event_streams, stream_indexes, version_offsets, event_types, occurred, payloads, metadatas)
           with ordinality as new (event_id, stream, stream_index, version_offset, event_type, occurred_at, payload,
                                   metadata, ordinality);
    perform set_config('cqrs.appending', '', true);
    perform pg_notify('cqrs_{schema}', (first_position + cardinality(event_ids) - 1)::text);
end
$append_events$;
