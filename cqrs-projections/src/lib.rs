//! The read side: [projectors](Projector) turn events into documents, a runner keeps a [read model](cqrs_core::ReadModel)
//! up to date with them, and a [rebuild](Running::rebuild) fills a new generation beside the live one.
//!
//! A projector is a pure fold; it knows nothing of the sink that its documents go to. The sink is chosen where the
//! projections are started:
//!
//! ```
//! # use std::time::Duration;
//! # use cqrs_core::{DomainEvent, Documents, EventStore, NewEvent, Append, Recorded, StreamName};
//! # use cqrs_core::in_memory::{InMemoryEventStore, InMemoryReadModel};
//! # use serde::{Deserialize, Serialize};
//! use cqrs_projections::{ProjectError, Projections, Projector};
//!
//! #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, DomainEvent)]
//! #[event(domain = "account")]
//! enum AccountEvent {
//!     Deposited { amount: i64 },
//! }
//!
//! #[derive(Default, Serialize, Deserialize)]
//! struct Summary {
//!     balance: i64,
//! }
//!
//! struct AccountSummary;
//!
//! impl Projector for AccountSummary {
//!     type Event = AccountEvent;
//!     type Document = Summary;
//!
//!     fn route(&self, event: &Recorded<AccountEvent>, to: &mut Vec<String>) {
//!         to.push(event.stream.id().to_owned());
//!     }
//!
//!     fn project(
//!         &self,
//!         event: &Recorded<AccountEvent>,
//!         _key: &str,
//!         document: Option<Summary>,
//!     ) -> Result<Option<Summary>, ProjectError> {
//!         let mut summary = document.unwrap_or_default();
//!         match event.event {
//!             AccountEvent::Deposited { amount } => summary.balance += amount,
//!         }
//!         Ok(Some(summary))
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (store, sink) = (InMemoryEventStore::new(), InMemoryReadModel::new());
//! let running = Projections::new(store.clone()).add("account-summary", AccountSummary, sink.clone()).start().await?;
//!
//! let deposited = NewEvent::encode(StreamName::new("account-ACC-001")?, &AccountEvent::Deposited { amount: 5 })?;
//! let done = store.append(Append::new(vec![deposited])).await?;
//! running.wait_for(done.position, Duration::from_secs(5)).await?;
//!
//! let summaries = Documents::<Summary>::new(sink, "account-summary")?;
//! assert_eq!(summaries.get("ACC-001").await?.map(|summary| summary.balance), Some(5));
//! # running.stop().await;
//! # Ok(())
//! # }
//! ```

mod as_of;
mod batch;
mod batches;
mod breaker;
mod dead_letters;
mod differences;
#[cfg(feature = "elasticsearch")]
mod elasticsearch;
mod enrich;
mod error;
mod error_policy;
mod join;
mod note;
mod projector;
mod reactions;
mod reactor;
mod rebuild;
#[cfg(feature = "redis")]
mod redis;
mod runner;
mod sharing;
mod supervisor;
pub mod testing;

#[cfg(feature = "elasticsearch")]
pub use self::elasticsearch::{
    CalendarUnit, DateInterval, DeepPage, Dynamic, ElasticReadModel, ElasticSearch, Facet, FacetBucket, FacetCounts,
    FacetValue, Field, Fuzziness, Highlight, Hit, InvalidSearch, Mapping, Order, Range, Refresh, SearchCursor,
    SearchError, SearchPage, SearchQuery,
};
pub use as_of::{
    AsOfError, KeepAsOf, KeptGeneration, KeptGenerations, PastDocuments, documents_as_of, joined_documents_as_of,
};
pub use batches::Batches;
pub use breaker::{CircuitBreaker, CircuitState};
pub use cqrs_core::Backoff;
pub use dead_letters::{DeadLetterError, DeadLetters, InspectedLetter, Replay};
pub use differences::{Differences, DocumentChange, DocumentDifference};
pub use enrich::{Enrich, EnrichError, Enriched, Enrichment};
pub use error::{ErrorClass, ProjectionError};
pub use error_policy::{DeadLetterPermanent, ErrorDecision, ErrorPolicy, RetryTransient};
pub use join::{JoinProjector, Lookups};
pub use projector::{ProjectError, Projector};
pub use reactions::{ReactionStatus, Reactions, RunningReactions};
pub use reactor::{ReactError, Reactor};
pub use rebuild::{NotComparable, Rebuild, RebuildError, RebuildProgress, Rebuilt};
#[cfg(feature = "redis")]
pub use redis::{
    CacheAside, CacheInvalidation, CacheSource, Loaded, RedisConnect, RedisContribution, RedisCounter, RedisDerived,
    RedisHashes, RedisLeaderboard, RedisReadModel, RedisSet, Scored, Touches,
};
pub use supervisor::{
    DeadLettersOf, Lagging, PartitionOwner, PartitionStatus, ProjectionState, ProjectionStatus, Projections, Reached,
    Running, StartError, StopReason, WaitError,
};
