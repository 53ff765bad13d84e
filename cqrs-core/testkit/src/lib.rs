//! Tests for systems built on `cqrs-core`.
//!
//! - [`given`]` … when … then` for aggregates; [`given_json_lines`] takes a past as it was recorded.
//! - Contract suites hold one async function per behaviour of a port; their macros emit each as a test of its own name,
//!   for any backend: [`event_store_contract`], [`poisoned_event_store_contract`], [`subscription_contract`],
//!   [`snapshot_store_contract`], [`checkpoint_store_contract`], [`lease_store_contract`],
//!   [`dead_letter_store_contract`], [`read_model_contract`],
//!   [`import_contract`], [`recorded_types_contract`], [`publisher_contract`].
//! - [`FaultyEventStore`] and [`FaultyReadModel`]: any store or read model, which fails when a test says so.
//! - [`VirtualClock`] for the store in memory: time that passes when a test says so.
//! - [`sample`]: a bank account, the domain of tests and examples.

#[allow(missing_docs, reason = "the names of the behaviours are sentences")]
#[doc(hidden)]
pub mod checkpoint_store;
#[doc(hidden)]
pub mod command_processes;
mod contract;
#[allow(missing_docs, reason = "the names of the behaviours are sentences")]
#[doc(hidden)]
pub mod dead_letter_store;
#[allow(missing_docs, reason = "the names of the behaviours are sentences")]
#[doc(hidden)]
pub mod event_store;
mod fail;
mod faults;
mod fixture;
mod given;
#[allow(missing_docs, reason = "the names of the behaviours are sentences")]
#[doc(hidden)]
pub mod import;
#[allow(missing_docs, reason = "the names of the behaviours are sentences")]
#[doc(hidden)]
pub mod lease;
#[allow(missing_docs, reason = "the names of the behaviours are sentences")]
#[doc(hidden)]
pub mod publisher;
#[allow(missing_docs, reason = "the names of the behaviours are sentences")]
#[doc(hidden)]
pub mod read_model;
#[allow(missing_docs, reason = "the names of the behaviours are sentences")]
#[doc(hidden)]
pub mod recorded_types;
pub mod sample;
#[allow(missing_docs, reason = "the names of the behaviours are sentences")]
#[doc(hidden)]
pub mod snapshot_store;
#[allow(missing_docs, reason = "the names of the behaviours are sentences")]
#[doc(hidden)]
pub mod subscription;
mod virtual_clock;

pub use faults::{Fault, Faults, FaultyEventStore, FaultyReadModel, Gate};
pub use fixture::Fixture;
#[doc(hidden)]
pub use fixture::run;
pub use given::{Given, When, given, given_json_lines, given_nothing};
pub use import::ImportingStore;
pub use publisher::ObservedPublisher;
pub use recorded_types::TypedStore;
pub use virtual_clock::VirtualClock;
