-- {schema} is replaced by the schema's name. This file never changes after landing.

create table {schema}.members (
    projection text collate "C" not null,
    member text collate "C" not null,
    until timestamptz not null,
    primary key (projection, member)
);

-- lease is the number of a partition; -1 is a rebuild, -2 a swap.
create table {schema}.leases (
    projection text collate "C" not null,
    lease int not null,
    member text collate "C" not null,
    until timestamptz not null,
    primary key (projection, lease)
);
