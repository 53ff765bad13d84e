-- A statement that fails ends the transaction: none has to be undone alone.
insert or rollback into events (position, version, recorded_at, occurred_at, event_id, stream, event_type, payload, metadata)
values (?, ?, ?, ?, ?, ?, ?, ?, ?)
