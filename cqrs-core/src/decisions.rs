//! Decisions over tags: on whatever events a query finds, in whatever streams they are.

use std::sync::Arc;

mod model;
mod new_events;

pub use model::{DecisionModel, DecisionModels};
pub use new_events::NewEvents;

use crate::command::Context;
use crate::committed::{Asked, Committed, conflict_pauses};
use crate::event_store::{EventQuery, EventStore, Filter, ReadAll};
use crate::repository::{ExecuteError, LoadError};
use crate::stream::GlobalPosition;

/// Carries out commands whose decisions rest on a [`DecisionModel`] rather than on one aggregate: a dynamic consistency
/// boundary.
///
/// The events that match the model's query are read and folded, the decision is made, and what happened is appended on the
/// condition that no other event matches the query by then; otherwise it is decided again. That guards also what was not
/// found: of two that find a name free, one gets it. Commands whose queries match none of each other's events never wait
/// for one another.
///
/// A decision reads all events that its query matches, each time: keep the query as narrow as the rule.
///
/// ```
/// use cqrs_core::in_memory::InMemoryEventStore;
/// use cqrs_core::{DecisionModel, Decisions, DomainEvent, EventQuery, NewEvents, QueryItem, Recorded};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Clone, Debug, Serialize, Deserialize, DomainEvent)]
/// #[event(domain = "seat")]
/// enum SeatEvent {
///     Taken {
///         #[event(tag = "seat")]
///         seat: String,
///         #[event(tag = "customer")]
///         customer: String,
///     },
/// }
///
/// #[derive(Clone)]
/// struct SeatIsTaken {
///     seat: String,
///     taken: bool,
/// }
///
/// impl DecisionModel for SeatIsTaken {
///     type Event = SeatEvent;
///
///     fn query(&self) -> EventQuery {
///         QueryItem::new().tag(format!("seat:{}", self.seat)).into()
///     }
///
///     fn apply(&mut self, _: &Recorded<SeatEvent>) {
///         self.taken = true;
///     }
/// }
///
/// #[derive(Clone)]
/// struct SeatsOf {
///     customer: String,
///     seats: usize,
/// }
///
/// impl DecisionModel for SeatsOf {
///     type Event = SeatEvent;
///
///     fn query(&self) -> EventQuery {
///         QueryItem::new().tag(format!("customer:{}", self.customer)).into()
///     }
///
///     fn apply(&mut self, _: &Recorded<SeatEvent>) {
///         self.seats += 1;
///     }
/// }
///
/// #[derive(Debug, thiserror::Error)]
/// #[error("no")]
/// struct Refused;
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let decisions = Decisions::new(InMemoryEventStore::new());
/// let take = |seat: &str, customer: &str| {
///     let taken = SeatEvent::Taken { seat: seat.to_owned(), customer: customer.to_owned() };
///     let models = (
///         SeatIsTaken { seat: seat.to_owned(), taken: false },
///         SeatsOf { customer: customer.to_owned(), seats: 0 },
///     );
///     decisions.execute(models, move |(seat, customer)| match seat.taken || customer.seats >= 2 {
///         true => Err(Refused),
///         false => Ok(NewEvents::new().and("customer", &"ann", &taken)),
///     })
/// };
/// assert_eq!(take("7", "ann").await?.events, 1);
/// assert!(take("7", "bob").await.is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Decisions {
    store: Arc<dyn EventStore>,
    conflict_retries: usize,
}

/// A model as the log made it.
struct Read<M> {
    model: M,
    query: EventQuery,
    /// How far the whole log was read.
    up_to: GlobalPosition,
    /// The newest event in the model.
    newest: GlobalPosition,
}

impl Decisions {
    /// Decisions on the events of `store`.
    #[must_use]
    pub fn new(store: impl EventStore) -> Self {
        Self { store: Arc::new(store), conflict_retries: 10 }
    }

    /// How often a command is decided again when another writer was faster; 10 unless told. After that, and at once with
    /// 0, the [conflict](ExecuteError::Matched) is the caller's.
    #[must_use]
    pub fn conflict_retries(mut self, retries: usize) -> Self {
        self.conflict_retries = retries;
        self
    }

    /// Folds the events that match the model's query into it: what a decision would rest on now.
    ///
    /// # Errors
    /// [`LoadError`] when an event cannot be decoded or the store cannot be read.
    pub async fn read<M: DecisionModels>(&self, model: M) -> Result<M, LoadError> {
        Ok(self.fold(model).await?.model)
    }

    /// Carries out a command: folds the events that matter into `model`, lets it be decided, and appends what happened. The
    /// decision is pure, and may be made again on a newer state.
    ///
    /// # Errors
    /// See [`ExecuteError`]: each variant is a decision for the caller.
    pub async fn execute<M, E>(
        &self,
        model: M,
        decide: impl Fn(&M) -> Result<NewEvents, E> + Send + Sync,
    ) -> Result<Committed, ExecuteError<E>>
    where
        M: DecisionModels + Clone,
        E: std::error::Error + Send + Sync + 'static,
    {
        self.execute_with(model, decide, Context::new()).await
    }

    /// Carries out a command as [`execute`](Self::execute) does, with who, why, when, and an id of its own.
    ///
    /// # Errors
    /// See [`ExecuteError`]: each variant is a decision for the caller. [`ExecuteError::Permanent`] for a context that
    /// [expects](Context::expected) a version, as there is no one aggregate that could have it.
    pub async fn execute_with<M, E>(
        &self,
        model: M,
        decide: impl Fn(&M) -> Result<NewEvents, E> + Send + Sync,
        context: Context,
    ) -> Result<Committed, ExecuteError<E>>
    where
        M: DecisionModels + Clone,
        E: std::error::Error + Send + Sync + 'static,
    {
        let asked = Asked::new(context)?;
        let mut pauses = conflict_pauses(self.conflict_retries);
        loop {
            let outcome = self.attempt(model.clone(), &decide, &asked).await;
            if let Err(ExecuteError::Matched { .. }) = &outcome
                && let Some(pause) = pauses.next()
            {
                tokio::time::sleep(pause).await;
                continue;
            }
            return asked.unless_repeated(&*self.store, |_| true, outcome).await;
        }
    }

    async fn attempt<M, E>(
        &self,
        model: M,
        decide: &(impl Fn(&M) -> Result<NewEvents, E> + Send + Sync),
        asked: &Asked,
    ) -> Result<Committed, ExecuteError<E>>
    where
        M: DecisionModels,
        E: std::error::Error + Send + Sync + 'static,
    {
        let Read { model, query, up_to, newest } = self.fold(model).await?;
        let events = decide(&model).map_err(ExecuteError::Domain)?.into_events().map_err(ExecuteError::Permanent)?;
        if events.is_empty() {
            return Ok(Committed::nothing(newest));
        }
        let append = asked.append(events).expect_none_matching(query, up_to);
        Ok(self.store.append(append).await?.into())
    }

    async fn fold<M: DecisionModels>(&self, mut model: M) -> Result<Read<M>, LoadError> {
        let mut queries = Vec::new();
        model.queries(&mut queries);
        let query = queries.iter().cloned().reduce(EventQuery::or).unwrap_or_default();
        let mut newest = GlobalPosition::START;
        let mut read = ReadAll::after(GlobalPosition::START).filter(Filter::Query(query.clone()));
        loop {
            let page = self.store.read_all(read.clone()).await?;
            newest = page.events.last().map_or(newest, |event| event.position);
            for event in page.events {
                let tags = event.tags().unwrap_or_default();
                model.fold(&event, &tags, &mut queries.iter())?;
            }
            read.after = page.scanned_to;
            if !page.more {
                return Ok(Read { model, query, up_to: page.scanned_to, newest });
            }
        }
    }
}
