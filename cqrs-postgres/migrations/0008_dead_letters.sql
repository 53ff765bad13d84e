-- Dead letters of projections. {schema} is replaced by the schema's name. This file never changes after landing.

-- Who writes the letters of a target: what comes under an older token is refused.
create table {schema}.dead_letter_owners (
    projection text collate "C" not null,
    generation bigint not null,
    partition int not null,
    token bigint not null,
    primary key (projection, generation, partition)
);

-- A letter waits until it is removed or discarded. One without document is an event that could not be decoded or routed;
-- one without cause follows another letter of its document. The event itself lies in the log, at its position.
create table {schema}.dead_letters (
    letter_id uuid not null,
    projection text collate "C" not null,
    generation bigint not null,
    partition int not null,
    document text collate "C",
    position bigint not null,
    event_id uuid not null,
    event_type text collate "C" not null,
    stream text collate "C" not null,
    cause text collate "C",
    error text not null,
    attempts bigint not null,
    first_at timestamptz not null,
    last_at timestamptz not null,
    to_replay boolean not null default false,
    removing boolean not null default false,
    discarded_at timestamptz,
    reason text not null default '',
    constraint dead_letters_letter_id primary key (letter_id)
);

create index dead_letters_listed on {schema}.dead_letters (projection, position, letter_id);
create index dead_letters_waiting on {schema}.dead_letters (projection, generation, partition, document, position)
 where discarded_at is null;
create index dead_letters_discarded on {schema}.dead_letters (projection, generation, partition, position)
 where discarded_at is not null;
create index dead_letters_to_replay on {schema}.dead_letters (projection, generation, partition, document)
 where to_replay;
