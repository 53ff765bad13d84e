create table events (
    aggregate_type text not null,
    aggregate_id   text not null,
    sequence       bigint not null check (sequence >= 0),
    event_type     text not null,
    event_version  text not null,
    payload        json not null,
    metadata       json not null,
    timestamp      timestamp with time zone default current_timestamp,
    primary key (aggregate_type, aggregate_id, sequence)
);

create table snapshots (
    aggregate_type   text not null,
    aggregate_id     text not null,
    last_sequence    bigint not null check (last_sequence >= 0),
    current_snapshot bigint not null check (current_snapshot >= 0),
    payload          json not null,
    timestamp        timestamp with time zone default current_timestamp,
    primary key (aggregate_type, aggregate_id, last_sequence)
);
