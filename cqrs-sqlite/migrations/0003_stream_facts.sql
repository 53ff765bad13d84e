-- This file never changes after landing.

-- What is known of a stream besides its events: a row only for those of which something is. Times are microseconds since
-- 1970-01-01T00:00:00Z.
create table stream_facts (
    stream text primary key,
    archived_position integer,
    archived_at integer,
    truncated_before integer check (truncated_before > 1),
    check ((archived_position is null) = (archived_at is null)),
    check (archived_position is not null or truncated_before is not null)
) strict, without rowid;
