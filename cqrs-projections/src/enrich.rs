//! What is fetched for events before they are folded: the one stage that may ask the world.

use std::ops::Deref;
use std::time::Duration;

use async_trait::async_trait;
use cqrs_core::{Backoff, CodecError, EventSet, EventType, Failure, Recorded};

use crate::error::ProjectionError;

/// How many events are enriched by one call, unless told.
const AT_ONCE: usize = 100;

/// How long one call may take, unless told.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How often a call is made in a row before the [`ErrorPolicy`](crate::ErrorPolicy) is asked, unless told.
const ATTEMPTS: u32 = 5;

/// Fetches what events lack and documents show: an exchange rate, the name behind a postcode, the answer of another service.
///
/// It stands before the fold, which stays pure: a [`Projector`](crate::Projector) (or [`JoinProjector`](crate::JoinProjector))
/// whose events are [`Enriched`] is given with each event what was fetched for it. [`Enrichment`] says how often and how fast.
///
/// # Contract
/// - **The same for the same event**, as far as the world allows: an event is enriched again when its batch is repeated
///   after a failure, and by every rebuild. Ask for the state at the event's time where there is one. What must never
///   change belongs into the event, put there by the command.
/// - One answer for each event, in their order; `None` where there is nothing to be had.
/// - **Cancellation**: the future may be dropped at any time.
///
/// ```
/// # use cqrs_core::{DomainEvent, Recorded, in_memory::{InMemoryEventStore, InMemoryReadModel}};
/// # use serde::{Deserialize, Serialize};
/// use async_trait::async_trait;
/// use cqrs_projections::{Enrich, EnrichError, Enriched, Enrichment, ProjectError, Projections, Projector};
/// # #[derive(Serialize, Deserialize, DomainEvent)]
/// # #[event(domain = "sale")]
/// # enum SaleEvent { Made { cents: u64, currency: String } }
/// # struct Rates;
/// # impl Rates {
/// #     async fn at(&self, _: &str, _: cqrs_core::Timestamp) -> Result<f64, std::io::Error> { Ok(1.1) }
/// # }
///
/// #[async_trait]
/// impl Enrich for Rates {
///     type Event = SaleEvent;
///     type Enrichment = f64;
///
///     async fn enrich(&self, events: &[Recorded<Enriched<SaleEvent, f64>>]) -> Result<Vec<Option<f64>>, EnrichError> {
///         let mut rates = Vec::with_capacity(events.len());
///         for event in events {
///             let SaleEvent::Made { currency, .. } = &*event.event;
///             rates.push(Some(self.at(currency, event.recorded_at).await.map_err(EnrichError::transient)?));
///         }
///         Ok(rates)
///     }
/// }
///
/// struct Revenue;
///
/// impl Projector for Revenue {
///     type Event = Enriched<SaleEvent, f64>;
///     type Document = f64;
///
///     fn route(&self, _: &Recorded<Self::Event>, to: &mut Vec<String>) {
///         to.push("all".to_owned());
///     }
///
///     fn project(&self, event: &Recorded<Self::Event>, _: &str, sum: Option<f64>) -> Result<Option<f64>, ProjectError> {
///         let SaleEvent::Made { cents, .. } = &*event.event;
///         let rate = event.event.enrichment.ok_or_else(|| ProjectError::new("no rate"))?;
///         Ok(Some(sum.unwrap_or_default() + *cents as f64 * rate))
///     }
/// }
///
/// # async fn example() -> Result<(), cqrs_projections::StartError> {
/// # let (store, sink) = (InMemoryEventStore::new(), InMemoryReadModel::new());
/// let running = Projections::new(store).add_enriched("revenue", Enrichment::new(Rates), Revenue, sink).start().await?;
/// # Ok(())
/// # }
/// ```
#[async_trait]
pub trait Enrich: Send + Sync + 'static {
    /// The events.
    type Event: EventSet;

    /// What is fetched for one of them.
    type Enrichment: Send + Sync + 'static;

    /// Fetches what these events lack; their `enrichment` is `None` as yet.
    ///
    /// # Errors
    /// [`EnrichError`] when it cannot be fetched now, or never.
    async fn enrich(
        &self,
        events: &[Recorded<Enriched<Self::Event, Self::Enrichment>>],
    ) -> Result<Vec<Option<Self::Enrichment>>, EnrichError>;
}

/// An event with what was fetched for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enriched<E, X> {
    /// The event.
    pub event: E,
    /// What was fetched; `None` where there was nothing to be had.
    pub enrichment: Option<X>,
}

impl<E, X> Deref for Enriched<E, X> {
    type Target = E;

    fn deref(&self) -> &E {
        &self.event
    }
}

impl<E: EventSet, X: Send + Sync + 'static> EventSet for Enriched<E, X> {
    fn event_types() -> Vec<EventType> {
        E::event_types()
    }

    fn decode(event_type: &str, payload: &[u8], into: &mut Vec<Self>) -> Result<(), CodecError> {
        let mut events = Vec::with_capacity(1);
        E::decode(event_type, payload, &mut events)?;
        into.extend(events.into_iter().map(|event| Self { event, enrichment: None }));
        Ok(())
    }
}

/// Why events could not be enriched.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum EnrichError {
    /// Trying again may help.
    #[error("it cannot be fetched at the moment")]
    Transient(#[source] Failure),
    /// Trying again changes nothing.
    #[error("it cannot be fetched")]
    Permanent(#[source] Failure),
}

impl EnrichError {
    /// An error after which trying again may help.
    pub fn transient(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Transient(Failure::new(error))
    }

    /// An error after which trying again changes nothing.
    pub fn permanent(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Permanent(Failure::new(error))
    }
}

/// An [`Enrich`] and how it is called.
#[derive(Debug, Clone)]
pub struct Enrichment<N> {
    enrich: N,
    at_once: usize,
    timeout: Duration,
    attempts: u32,
    backoff: Backoff,
}

impl<N: Enrich> Enrichment<N> {
    /// 100 events by one call, 10 s for it, and five attempts 100 ms to 30 s apart.
    #[must_use]
    pub fn new(enrich: N) -> Self {
        Self { enrich, at_once: AT_ONCE, timeout: TIMEOUT, attempts: ATTEMPTS, backoff: Backoff::default() }
    }

    /// Hands so many events to one call at most; 0 is taken as 1.
    #[must_use]
    pub fn at_once(mut self, events: usize) -> Self {
        self.at_once = events.max(1);
        self
    }

    /// Gives one call so much time. One that takes longer is dropped, and counts as a transient failure.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Calls so often in a row, so far apart, while the failure is transient; 0 is taken as 1. After that the
    /// [`ErrorPolicy`](crate::ErrorPolicy) decides, by default to try again later.
    #[must_use]
    pub fn attempts(mut self, attempts: u32, backoff: Backoff) -> Self {
        (self.attempts, self.backoff) = (attempts.max(1), backoff);
        self
    }

    async fn fetch(
        &self,
        events: &[Recorded<Enriched<N::Event, N::Enrichment>>],
    ) -> Result<Vec<Option<N::Enrichment>>, EnrichError> {
        let mut attempt = 1;
        loop {
            let error = match tokio::time::timeout(self.timeout, self.enrich.enrich(events)).await {
                Ok(Ok(found)) if found.len() == events.len() => return Ok(found),
                Ok(Ok(found)) => {
                    return Err(EnrichError::permanent(format!("{} answers for {} events", found.len(), events.len())));
                }
                Ok(Err(error @ EnrichError::Transient(_))) => error,
                Ok(Err(error)) => return Err(error),
                Err(elapsed) => EnrichError::transient(elapsed),
            };
            if attempt >= self.attempts {
                return Err(error);
            }
            tokio::time::sleep(self.backoff.after(attempt)).await;
            attempt += 1;
        }
    }
}

/// A stage between decoding and folding.
#[async_trait]
pub(crate) trait Stage<E>: Send + Sync {
    async fn run(&self, events: &mut [Recorded<E>]) -> Result<(), ProjectionError>;
}

#[async_trait]
impl<N: Enrich> Stage<Enriched<N::Event, N::Enrichment>> for Enrichment<N> {
    async fn run(&self, events: &mut [Recorded<Enriched<N::Event, N::Enrichment>>]) -> Result<(), ProjectionError> {
        for events in events.chunks_mut(self.at_once) {
            let position = events[0].position;
            let found = self.fetch(events).await.map_err(|source| ProjectionError::Enrich { position, source })?;
            for (event, enrichment) in events.iter_mut().zip(found) {
                event.event.enrichment = enrichment;
            }
        }
        Ok(())
    }
}
