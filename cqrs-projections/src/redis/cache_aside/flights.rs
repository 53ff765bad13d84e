//! One loading of a key at a time, whoever waits for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::OnceCell;

/// What is being loaded in this process, by key.
#[derive(Debug)]
pub(super) struct Flights<T>(Mutex<HashMap<String, Arc<OnceCell<T>>>>);

/// A part in the loading of one key. The last one to leave forgets it.
#[derive(Debug)]
pub(super) struct Flight<'a, T> {
    flights: &'a Flights<T>,
    key: &'a str,
    cell: Arc<OnceCell<T>>,
}

impl<T> Default for Flights<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> Flights<T> {
    /// Joins the loading of this key, or begins it.
    pub(super) fn join<'a>(&'a self, key: &'a str) -> Flight<'a, T> {
        let cell = Arc::clone(self.lock().entry(key.to_owned()).or_default());
        Flight { flights: self, key, cell }
    }
}

impl<T> Flights<T> {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<OnceCell<T>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.lock().len()
    }
}

impl<T: Clone> Flight<'_, T> {
    /// What was loaded: by this caller, and then `true`, or by another one. When the one who loads is dropped, another one
    /// of those who wait loads instead.
    pub(super) async fn land<F: Future<Output = T>>(self, load: impl FnOnce() -> F) -> (T, bool) {
        let mut loaded_here = false;
        let landed = self.cell.get_or_init(|| {
            loaded_here = true;
            load()
        });
        let landed = landed.await.clone();
        (landed, loaded_here)
    }
}

impl<T> Drop for Flight<'_, T> {
    fn drop(&mut self) {
        let mut flights = self.flights.lock();
        let mine = flights.get(self.key).is_some_and(|cell| Arc::ptr_eq(cell, &self.cell));
        // One reference is the map's, and one this one's: nobody else waits.
        if mine && (self.cell.initialized() || Arc::strong_count(&self.cell) <= 2) {
            flights.remove(self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use futures::future::{join_all, pending};
    use futures::poll;

    use super::*;

    #[tokio::test]
    async fn all_who_wait_share_one_loading_and_the_next_begins_anew() {
        let flights = Flights::default();
        let loads = AtomicU32::new(0);
        let get = || async {
            let flight = flights.join("a");
            flight
                .land(|| async {
                    tokio::task::yield_now().await;
                    loads.fetch_add(1, Ordering::Relaxed)
                })
                .await
        };
        let landed = join_all((0..5).map(|_| get())).await;
        assert_eq!(landed, [(0, true), (0, false), (0, false), (0, false), (0, false)]);
        assert_eq!(get().await, (1, true));
        assert_eq!(flights.len(), 0);
    }

    #[tokio::test]
    async fn when_the_one_who_loads_is_dropped_another_loads() {
        let flights = Flights::default();
        let mut first = Box::pin(flights.join("a").land(pending::<u8>));
        assert!(poll!(&mut first).is_pending());
        let mut second = Box::pin(flights.join("a").land(|| async { 7 }));
        assert!(poll!(&mut second).is_pending());
        drop(first);
        assert_eq!(second.await, (7, true));
        drop(flights.join("b").land(pending::<u8>));
        assert_eq!(flights.len(), 0);
    }
}
