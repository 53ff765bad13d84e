create table {schema}."{projection}${generation}" (
    position bigint not null,
    generation bigint not null default {generation},
    partition integer not null,
    key text collate "C" not null,
    document jsonb not null,
    primary key (key, partition)
)
