-- {schema} is replaced by the schema's name. This file never changes after landing.

create table {schema}.store (
    one boolean primary key default true check (one),
    store_id uuid not null,
    created_at timestamptz not null default clock_timestamp()
);

insert into {schema}.store (store_id) values (gen_random_uuid());

-- json keeps the bytes as they were written and reads two to three times as fast as jsonb.
create table {schema}.events (
    position bigint not null,
    version bigint not null check (version > 0),
    recorded_at timestamptz not null,
    occurred_at timestamptz,
    event_id uuid not null,
    stream text collate "C" not null,
    event_type text collate "C" not null,
    payload json not null,
    metadata json not null,
    constraint events_position primary key (position),
    constraint events_event_id unique (event_id),
    constraint events_stream_version unique (stream, version)
);

create index events_type_position on {schema}.events (event_type, position);
create index events_category_position on {schema}.events (split_part(stream, '-', 1), position);
create index events_recorded_at on {schema}.events using brin (recorded_at);

-- Appends a group of events when the head of every stream lies within its bounds (0 is no event); writes nothing and
-- answers accepted = false otherwise. Positions and recorded_at are drawn under the lock, so that both increase in
-- commit order. Lock and check are statements of their own: one that waited for the lock would read the heads as they
-- were before.
create function {schema}.append_events(
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

create function {schema}.refuse_change() returns trigger
language plpgsql
as $refuse_change$
begin
    raise exception 'events are never changed: % on %.% is refused', tg_op, tg_table_schema, tg_table_name
          using errcode = 'insufficient_privilege';
end
$refuse_change$;

create trigger append_only
before update or delete or truncate on {schema}.events
for each statement execute function {schema}.refuse_change();

create function {schema}.require_append_events() returns trigger
language plpgsql
as $require_append_events$
begin
    if coalesce(current_setting('cqrs.appending', true), '') <> '{schema}' then
        raise exception 'events are written by append_events only: a plain insert would break their order'
              using errcode = 'insufficient_privilege';
    end if;
    return null;
end
$require_append_events$;

create trigger appended_in_order
before insert on {schema}.events
for each statement execute function {schema}.require_append_events();

create table {schema}.snapshots (
    stream text collate "C" not null,
    state_version bigint not null,
    fingerprint bigint not null,
    version bigint not null,
    position bigint not null,
    event_id uuid not null,
    recorded_at timestamptz not null,
    happened_until timestamptz not null,
    state json not null,
    primary key (stream, state_version, fingerprint, version)
);

create table {schema}.checkpoints (
    reader text collate "C" primary key,
    store_id uuid not null,
    position bigint not null,
    event_id uuid,
    generation bigint not null,
    token bigint not null
);
