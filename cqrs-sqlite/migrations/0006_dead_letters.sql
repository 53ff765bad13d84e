-- This file never changes after landing.

-- Who writes the letters of a target: what comes under an older token is refused.
create table dead_letter_owners (
    projection text not null,
    generation integer not null,
    partition integer not null,
    token integer not null,
    primary key (projection, generation, partition)
) strict, without rowid;

-- A letter waits until it is removed or discarded. One without document is an event that could not be decoded or routed;
-- one without cause follows another letter of its document. The event itself lies in the log, at its position. Times are
-- microseconds since 1970-01-01T00:00:00Z.
create table dead_letters (
    letter_id blob primary key,
    projection text not null,
    generation integer not null,
    partition integer not null,
    document text,
    position integer not null,
    event_id blob not null,
    event_type text not null,
    stream text not null,
    cause text,
    error text not null,
    attempts integer not null,
    first_at integer not null,
    last_at integer not null,
    to_replay integer not null default 0,
    removing integer not null default 0,
    discarded_at integer,
    reason text not null default ''
) strict, without rowid;

create index dead_letters_listed on dead_letters (projection, position, letter_id);
create index dead_letters_waiting on dead_letters (projection, generation, partition, document, position)
 where discarded_at is null;
create index dead_letters_discarded on dead_letters (projection, generation, partition, position)
 where discarded_at is not null;
create index dead_letters_to_replay on dead_letters (projection, generation, partition, document)
 where to_replay;
