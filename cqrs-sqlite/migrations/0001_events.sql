-- This file never changes after landing.

create table store (
    one integer primary key check (one = 1),
    store_id blob not null check (length(store_id) = 16),
    created_at integer not null
) strict;

-- A random UUID (version 4), and microseconds since 1970-01-01T00:00:00Z.
insert into store (one, store_id, created_at)
values (1,
        unhex(hex(randomblob(6)) || '4' || substr(hex(randomblob(2)), 2) || '8' || substr(hex(randomblob(2)), 2)
              || hex(randomblob(6))),
        cast(unixepoch('subsec') * 1000000 as integer));

-- Payload and metadata are kept byte for byte; times are microseconds since 1970-01-01T00:00:00Z.
create table events (
    position integer primary key,
    version integer not null check (version > 0),
    recorded_at integer not null,
    occurred_at integer,
    event_id blob not null check (length(event_id) = 16),
    stream text not null,
    event_type text not null,
    payload text not null,
    metadata text not null,
    category text not null generated always as (substr(stream, 1, instr(stream, '-') - 1)) virtual,
    constraint events_event_id unique (event_id),
    constraint events_stream_version unique (stream, version)
) strict;

create index events_type_position on events (event_type, position);
create index events_category_position on events (category, position);

create trigger events_are_not_updated before update on events
begin
    select raise(abort, 'events are never changed: an update is refused');
end;

create trigger events_are_not_deleted before delete on events
begin
    select raise(abort, 'events are never changed: a delete is refused');
end;

-- Positions and recorded_at increase in commit order, whoever inserts; a row is never replaced by "insert or replace",
-- which would delete without asking the trigger above. The whole transaction is rolled back: it
-- is cheaper not to be able to undo one statement alone.
create trigger events_are_appended before insert on events
when new.position <= (select max(position) from events)
  or new.version is not (select coalesce(max(version), 0) + 1 from events where stream = new.stream)
  or new.recorded_at < (select recorded_at from events order by position desc limit 1)
  or exists (select 1 from events where event_id = new.event_id)
begin
    select raise(rollback, 'events are appended one after the other: an insert that breaks their order is refused');
end;

create table snapshots (
    stream text not null,
    state_version integer not null,
    fingerprint integer not null,
    version integer not null,
    position integer not null,
    event_id blob not null,
    recorded_at integer not null,
    happened_until integer not null,
    state text not null,
    primary key (stream, state_version, fingerprint, version)
) strict;

create table checkpoints (
    reader text primary key,
    store_id blob not null,
    position integer not null,
    event_id blob,
    generation integer not null,
    token integer not null
) strict;
