//! The write side and the ports of an event-sourcing and CQRS framework.
//!
//! An event goes one way:
//! command → [aggregate](Aggregate) → [repository](Repository) → [event store](EventStore) →
//! [subscription](Subscription) → runner → projector → [read model](ReadModel) → [query](Query).
//!
//! A [`CommandBus`] and a [`QueryBus`] bring commands and queries to their handlers, through [`middleware`].
//!
//! Messages for other systems go to a [publisher](Publisher).
//!
//! This crate knows no database. Adapters implement its ports: `cqrs-postgres` and `cqrs-sqlite` the event store,
//! `cqrs-projections` the read models in Redis and Elasticsearch. [`in_memory`] holds implementations for tests and first
//! steps.

mod aggregate;
pub mod append_queue;
mod as_of;
mod audit;
mod backoff;
mod bus_error;
mod checkpoint_store;
mod claim;
mod clock;
mod codec;
mod command;
mod command_bus;
mod committed;
mod dead_letter_store;
mod decisions;
mod event;
mod event_store;
mod failure;
mod id;
mod import;
pub mod in_memory;
mod json_lines;
mod lease;
mod message;
mod metadata;
pub mod middleware;
mod name;
mod prepare;
mod publisher;
mod query;
mod read_ahead;
mod read_model;
mod recorded_event;
mod recorded_types;
mod repository;
mod snapshot_policy;
mod snapshot_store;
mod stream;
mod stream_facts;
mod subscription;
mod timestamp;
mod typed_subscription;
mod unknown_types;
mod upcast;
mod value_difference;

pub use aggregate::{Aggregate, Apply, Handle, fold};
pub use as_of::AsOf;
pub use audit::{AuditEntry, AuditReport};
pub use backoff::Backoff;
pub use bus_error::BusError;
pub use checkpoint_store::{Checkpoint, CheckpointStore, FencingToken, Generation};
pub use claim::{ClaimChange, ClaimKey, Claims, InvalidClaim};
pub use clock::{Clock, SystemClock};
pub use codec::{CodecError, Payload};
pub use command::Context;
pub use command_bus::{Command, CommandBus, CommandBusBuilder, InvalidBus, Operation};
pub use committed::Committed;
pub use cqrs_derive::{Aggregate, AggregateId, DomainEvent, EventSet};
pub use dead_letter_store::{
    DeadLetter, DeadLetterCause, DeadLetterCount, DeadLetterEvent, DeadLetterFailure, DeadLetterId, DeadLetterOwner,
    DeadLetterPage, DeadLetterState, DeadLetterStore, Discarded, ListDeadLetters, NewDeadLetter, ParkedDocuments,
};
pub use decisions::{DecisionModel, DecisionModels, Decisions, NewEvents};
pub use event::{DomainEvent, EventSet, PersonalFields};
pub use event_store::{
    Append, AppendError, Appended, Condition, Decision, Direction, EventQuery, EventStore, Existing, Facts, Filter,
    Head, InvalidAppend, InvalidQuery, Limits, ListStreams, LogPage, NewEvent, QueryItem, ReadAll, ReadStream,
    StoreError, StreamHead, StreamList, StreamPage, decide,
};
pub use failure::Failure;
pub use id::{AppendId, CausationId, CommandId, CorrelationId, EventId, MessageId, StoreId};
pub use import::{ImportError, ImportEvents, ImportFacts, Imported, check_import, claimed_keys};
pub use json_lines::{JsonLinesError, read_json_lines, write_json_lines};
pub use lease::{Lease, LeaseStore, Leases};
pub use message::Message;
pub use metadata::{Metadata, TraceContext};
pub use name::{Category, EventType, InvalidName, MemberId, MessageKey, ProjectionName, StreamName, Topic};
pub use prepare::{Prepare, PreparedEventStore};
pub use publisher::{PublishError, Publisher};
pub use query::{Find, Query, QueryBus, QueryBusBuilder, QueryHandler};
pub use read_ahead::ReadAhead;
pub use read_model::{
    Batch, DocumentPage, DocumentWrite, Documents, InvalidPartitions, ListCursor, LiveGeneration, Partitions,
    ReadModel, ReadModelError, StoredDocument, Target, is_lookup, key_rule, lookup_key, lookup_name, partition_key,
};
pub use recorded_event::{Recorded, RecordedEvent, UndecodableEvent};
pub use recorded_types::RecordedTypes;
pub use repository::{
    Draft, ExecuteError, Executed, LoadError, Loaded, Member, Members, Replay, Repository, SnapshotError,
    SnapshotPruning, SnapshotPruningProgress, SnapshotRebuild, SnapshotRebuildProgress, Step, Together, TruncateError,
};
pub use snapshot_policy::SnapshotPolicy;
pub use snapshot_store::{PrunedSnapshots, Snapshot, SnapshotQuery, SnapshotRetention, SnapshotStore};
pub use stream::{ExpectedVersion, GlobalPosition, Version};
pub use stream_facts::{
    Archived, StreamFacts, StreamFactsChange, StreamFactsError, StreamFactsPage, StreamFactsStore, StreamMoment,
};
pub use subscription::{CatchUpSubscription, Hint, Listener, Subscription, Wake};
pub use timestamp::{InvalidTimestamp, Timestamp};
pub use typed_subscription::{TypedPage, TypedReadError, TypedSubscription};
pub use unknown_types::{Decoded, UnknownTypes};
pub use upcast::{Retired, Upcast, UpcastError, Upcasted};
pub use value_difference::ValueDifference;

/// What derived code calls; no part of the public interface.
#[doc(hidden)]
pub mod __private {
    pub use crate::aggregate::Aggregate;
    pub use crate::aggregate::id_value::IdValue;
    pub use crate::claim::{ClaimValue, Claims, InvalidClaim};
    pub use crate::codec::{CodecError, Payload, decode_variant, encode_variant};
    pub use crate::event::marked::TagValue;
    pub use crate::event::nested::{concat, count, fingerprint_of};
    pub use crate::event::{DomainEvent, EventSet, PersonalFields};
    pub use crate::name::EventType;
    pub use crate::snapshot_policy::SnapshotPolicy;
    pub use crate::upcast::{Retired, Upcast, decode_retired, upcast};
    pub use serde::{Serialize, de::DeserializeOwned};
}
