-- This file never changes after landing.

-- until is in milliseconds since 1970.
create table members (
    projection text not null,
    member text not null,
    until integer not null,
    primary key (projection, member)
) strict, without rowid;

-- lease is the number of a partition; -1 is a rebuild, -2 a swap.
create table leases (
    projection text not null,
    lease integer not null,
    member text not null,
    until integer not null,
    primary key (projection, lease)
) strict, without rowid;
