copy pg_temp.cqrs_import (position, version, recorded_at, occurred_at, event_id, stream, event_type, payload, metadata)
from stdin (format binary)
