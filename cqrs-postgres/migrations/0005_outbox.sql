-- Beside a caller's ordinary tables: appends in the caller's own transaction, and the outbox.
-- {schema} is replaced by the schema's name. This file never changes after landing.

-- Takes the append lock in a caller's transaction. It does not when the transaction runs in another store or under another
-- isolation than read committed: the answer tells. The wait is bounded, unless the caller has bounded it already.
create function {schema}.lock_appends(
    expected_store uuid,
    wait_milliseconds bigint,
    out actual_store uuid,
    out isolation text
)
language plpgsql
volatile
as $lock_appends$
declare
    own_timeout text := current_setting('lock_timeout');
begin
    isolation := current_setting('transaction_isolation');
    select store_id into actual_store from {schema}.store;
    if isolation <> 'read committed' or actual_store is distinct from expected_store then
        return;
    end if;
    if own_timeout = '0' then
        perform set_config('lock_timeout', wait_milliseconds::text, true);
    end if;
    perform pg_advisory_xact_lock(hashtextextended('cqrs:{schema}', 0));
    perform set_config('lock_timeout', own_timeout, true);
end
$lock_appends$;

-- A lane is a key, or a message without one: its messages are published in the order of their sequence.
create table {schema}.outbox (
    sequence bigint generated always as identity,
    message_id uuid not null,
    status text collate "C" not null default 'pending'
           check (status in ('pending', 'parked', 'published', 'discarded')),
    topic text collate "C" not null,
    lane text collate "C" not null,
    keyed boolean not null,
    payload bytea not null,
    headers json not null,
    enqueued_at timestamptz not null default clock_timestamp(),
    attempts int not null default 0,
    failing_since timestamptz,
    settled_at timestamptz,
    reason text,
    constraint outbox_sequence primary key (sequence),
    constraint outbox_message_id unique (message_id)
);

create index outbox_open on {schema}.outbox (lane, sequence) where status in ('pending', 'parked');
create index outbox_parked on {schema}.outbox (sequence) where status = 'parked';
create index outbox_settled on {schema}.outbox (settled_at) where settled_at is not null;

-- The lanes that may have open messages. A relay owns a lane until due_at; a lane with a parked message is never due.
create table {schema}.outbox_lanes (
    lane text collate "C" not null,
    due_at timestamptz not null default clock_timestamp(),
    owner uuid,
    empty_since timestamptz,
    constraint outbox_lanes_lane primary key (lane)
);

create index outbox_lanes_due on {schema}.outbox_lanes (due_at);

-- Whether a relay waits to be woken. NOTIFY makes transactions commit one after the other, so it is left out while relays
-- are at work anyway.
create table {schema}.outbox_relay (
    one boolean primary key default true check (one),
    waiting boolean not null default true
);

insert into {schema}.outbox_relay default values;

-- Writes messages, unless one of their ids belongs to another message: then nothing, and its id is the answer. The lock on
-- each key is held until the caller's transaction ends, so that the sequence of a key is its commit order.
create function {schema}.enqueue(
    expected_store uuid,
    message_ids uuid[],
    topics text[],
    lanes text[],
    are_keyed boolean[],
    payloads bytea[],
    header_texts text[],
    out actual_store uuid,
    out reused uuid,
    out written bigint
)
language plpgsql
volatile
set plan_cache_mode = 'force_generic_plan'
set enable_seqscan = off
set enable_bitmapscan = off
set jit = off
as $enqueue$
declare
    key_lock bigint;
begin
    select store_id into actual_store from {schema}.store;
    if actual_store is distinct from expected_store then
        return;
    end if;
    -- In one order, so that those who enqueue several at once do not wait for each other in a circle.
    for key_lock in
        select distinct hashtextextended('cqrs-outbox:{schema}:' || new.lane, 0)
          from unnest(lanes, are_keyed) as new (lane, keyed)
         where new.keyed
         order by 1
    loop
        perform pg_advisory_xact_lock(key_lock);
    end loop;

    select new.message_id into reused
      from unnest(message_ids, topics, lanes, are_keyed, payloads, header_texts)
           as new (message_id, topic, lane, keyed, payload, headers)
      join {schema}.outbox known on known.message_id = new.message_id
     where (known.topic, known.lane, known.keyed, known.payload, known.headers::text)
           is distinct from (new.topic, new.lane, new.keyed, new.payload, new.headers)
     limit 1;
    if reused is not null then
        return;
    end if;

    insert into {schema}.outbox (message_id, topic, lane, keyed, payload, headers)
    select new.message_id, new.topic, new.lane, new.keyed, new.payload, new.headers::json
      from unnest(message_ids, topics, lanes, are_keyed, payloads, header_texts)
           with ordinality as new (message_id, topic, lane, keyed, payload, headers, ordinality)
     order by new.ordinality
        on conflict on constraint outbox_message_id do nothing;
    get diagnostics written = row_count;
    if written = 0 then
        return;
    end if;

    insert into {schema}.outbox_lanes (lane)
    select distinct new.lane from unnest(lanes) as new (lane)
        on conflict on constraint outbox_lanes_lane do nothing;
    if exists (select from {schema}.outbox_relay where waiting) then
        perform pg_notify('cqrs_outbox_{schema}', '');
    end if;
end
$enqueue$;
