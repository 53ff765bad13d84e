//! [`CommandBus`](cqrs_core::CommandBus) and [`QueryBus`](cqrs_core::QueryBus) on the stores in memory.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails is what it is for")]

#[path = "command_bus/attempts.rs"]
mod attempts;
#[path = "command_bus/dispatching.rs"]
mod dispatching;
#[path = "command_bus/layers.rs"]
mod layers;
#[path = "command_bus/operations.rs"]
mod operations;
#[path = "command_bus/property.rs"]
mod property;
#[path = "command_bus/queries.rs"]
mod queries;
#[path = "command_bus/stalling_store.rs"]
mod stalling_store;
#[path = "command_bus/tracing.rs"]
mod tracing;
