copy {schema}.events (position, version, recorded_at, occurred_at, event_id, stream, event_type, payload, metadata)
from stdin (format binary)
