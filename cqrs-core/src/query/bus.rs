//! The bus of queries.

use std::fmt;
use std::sync::Arc;

use tower::{BoxError, Layer, Service};

use super::{Query, QueryHandler};
use crate::bus_error::BusError;
use crate::command::Context;
use crate::command_bus::InvalidBus;
use crate::middleware::{BoxHandler, Bus, Kind, Layered, Request, Response, Rules, answer, answered};

/// Brings queries to their handlers, through the same [layers](crate::middleware) as a
/// [`CommandBus`](crate::CommandBus) does commands. It is cheap to clone; clones share everything.
///
/// ```
/// use std::time::Duration;
///
/// use cqrs_core::in_memory::InMemoryReadModel;
/// use cqrs_core::middleware::{timeout, trace};
/// use cqrs_core::{Context, Documents, Find, QueryBus};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// #[derive(serde::Deserialize)]
/// struct Summary { balance: i64 }
///
/// let summaries = Documents::<Summary>::new(InMemoryReadModel::new(), "account-summary")?;
/// let bus = QueryBus::builder()
///     .handler(summaries) // answers `Find<Summary>`; others are closures: |query: BalanceOf, context: Context| async { … }
///     .layer(trace())
///     .layer(timeout(Duration::from_secs(1)))
///     .build()?;
/// let found = bus.ask(Find::<Summary>::by_key("ACC-001"), Context::new().actor("teller-7")).await?;
/// assert!(found.is_none());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct QueryBus(Bus);

impl QueryBus {
    /// A bus without handlers.
    pub fn builder() -> QueryBusBuilder {
        QueryBusBuilder::default()
    }

    /// The answer to a query.
    ///
    /// # Errors
    /// See [`BusError`]: each variant is a decision for the caller.
    pub async fn ask<Q: Query>(&self, query: Q, context: Context) -> Result<Q::Answer, BusError<Q::Error>> {
        let request = Request::new(Kind::Query, Q::name(), query, context);
        let attempts = Arc::clone(request.attempts());
        answered(self.0.call(request).await, &attempts)
    }
}

/// Puts a [`QueryBus`] together.
#[derive(Default)]
#[must_use = "a bus begins with `build`"]
pub struct QueryBusBuilder(Layered);

impl QueryBusBuilder {
    /// Who answers the query `Q`.
    pub fn handler<Q: Query>(mut self, handler: impl QueryHandler<Q>) -> Self {
        let handler = Arc::new(handler);
        let rules = Rules { validate: Q::validate, is_transient: Q::is_transient };
        self.0.route::<Q>(answer(Q::name(), rules, move |query, context| {
            let handler = Arc::clone(&handler);
            async move { handler.answer(query, context).await }
        }));
        self
    }

    /// A layer around all handlers, also those that are registered later. The first one that is added is the outermost.
    pub fn layer<L>(mut self, layer: L) -> Self
    where
        L: Layer<BoxHandler> + Send + Sync + 'static,
        L::Service: Service<Request, Response = Response> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request>>::Error: Into<BoxError>,
        <L::Service as Service<Request>>::Future: Send,
    {
        self.0.layer(layer);
        self
    }

    /// A layer around the handler of one query, within those around all handlers.
    pub fn layer_for<Q: Query, L>(mut self, layer: L) -> Self
    where
        L: Layer<BoxHandler> + Send + Sync + 'static,
        L::Service: Service<Request, Response = Response> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request>>::Error: Into<BoxError>,
        <L::Service as Service<Request>>::Future: Send,
    {
        self.0.layer_for::<Q, L>(Q::name(), layer);
        self
    }

    /// The bus.
    ///
    /// # Errors
    /// [`InvalidBus`] when a query has two handlers, or a layer but no handler.
    pub fn build(self) -> Result<QueryBus, InvalidBus> {
        self.0.build().map(QueryBus)
    }
}

impl fmt::Debug for QueryBusBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueryBusBuilder").finish_non_exhaustive()
    }
}
