create table {schema}."{projection}$all" (
    position bigint not null,
    generation bigint not null,
    partition integer not null,
    key text collate "C" not null,
    document jsonb not null
) partition by list (generation)
