-- What the log would refuse is refused when it is checked, so that here anything goes.
create temporary table cqrs_import (
    position bigint,
    version bigint,
    recorded_at timestamptz,
    occurred_at timestamptz,
    event_id uuid,
    stream text,
    event_type text,
    payload bytea,
    metadata bytea
) on commit drop
