//! The event store of cqrs-core on PostgreSQL
