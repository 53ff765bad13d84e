//! What a behaviour runs on: a fresh port, and whatever must outlive it.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// Far more than any behaviour takes: one that is not done by then waits for something that never comes.
const AT_MOST: Duration = Duration::from_secs(120);

/// A fresh, empty port for one behaviour, together with what cleans up after it.
///
/// ```
/// use std::sync::Arc;
/// use cqrs_core::{EventStore, in_memory::InMemoryEventStore};
/// use cqrs_testkit::Fixture;
///
/// async fn fresh() -> Fixture<dyn EventStore> {
///     Fixture::new(Arc::new(InMemoryEventStore::new()))
/// }
/// ```
pub struct Fixture<P: ?Sized> {
    port: Arc<P>,
    guard: Box<dyn Any + Send>,
}

impl<P: ?Sized> Fixture<P> {
    /// A port that leaves nothing behind.
    #[must_use]
    pub fn new(port: Arc<P>) -> Self {
        Self { port, guard: Box::new(()) }
    }

    /// Keeps `guard` until the behaviour is over, passed or failed, and the port is dropped: its `Drop` removes a
    /// database, say. It is dropped within the Tokio runtime (of several threads) on which the behaviour ran.
    #[must_use]
    pub fn guard(mut self, guard: impl Any + Send) -> Self {
        self.guard = Box::new(guard);
        self
    }
}

impl<P: ?Sized> fmt::Debug for Fixture<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fixture").finish_non_exhaustive()
    }
}

/// Runs one behaviour on a fresh port; called by the tests that the contract macros emit.
///
/// # Panics
/// When the behaviour is not as the contract says, or is not done after two minutes.
#[doc(hidden)]
pub fn run<P, F, B>(fixture: impl FnOnce() -> F, behaviour: impl FnOnce(Arc<P>) -> B)
where
    P: ?Sized,
    F: Future<Output = Fixture<P>>,
    B: Future<Output = ()>,
{
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime for the test can be built");
    runtime.block_on(async {
        let Fixture { port, guard } = fixture().await;
        // Declared before the port is used up, so that it is dropped after it, also when the behaviour panics.
        let _guard = guard;
        let done = tokio::time::timeout(AT_MOST, behaviour(port)).await;
        assert!(done.is_ok(), "not done after {AT_MOST:?}: something is awaited that never comes");
    });
}
