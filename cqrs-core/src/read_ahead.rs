//! The log page by page, read ahead.

use std::sync::Arc;

use tokio::task::JoinHandle;

use crate::event_store::{EventStore, LogPage, ReadAll, StoreError};
use crate::failure::Failure;
use crate::stream::GlobalPosition;

/// Reads a window of the log page by page, in position order: while one page is in use the next is on its way.
#[derive(Debug)]
pub struct ReadAhead {
    store: Arc<dyn EventStore>,
    read: ReadAll,
    ahead: Option<Ahead>,
}

/// A page on its way; dropping it ends the reading.
#[derive(Debug)]
struct Ahead(JoinHandle<Result<LogPage, StoreError>>);

impl Drop for Ahead {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl ReadAhead {
    /// Nothing is read before the first [`next`](Self::next).
    #[must_use]
    pub fn new(store: Arc<dyn EventStore>, read: ReadAll) -> Self {
        Self { store, read, ahead: None }
    }

    /// The next page; one without `more` reaches the end of the window as it was then, and may be asked for again.
    ///
    /// Dropping the future loses nothing: the following call gives the same page. So does an error.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub async fn next(&mut self) -> Result<LogPage, StoreError> {
        let read = match &mut self.ahead {
            Some(Ahead(task)) => task.await.unwrap_or_else(|ended| Err(StoreError::Transient(Failure::new(ended)))),
            None => self.store.read_all(self.read.clone()).await,
        };
        self.ahead = None;
        let page = read?;
        self.read.after = page.scanned_to;
        if page.more {
            let (store, read) = (Arc::clone(&self.store), self.read.clone());
            self.ahead = Some(Ahead(tokio::spawn(async move { store.read_all(read).await })));
        }
        Ok(page)
    }

    /// Everything up to here has been given.
    #[must_use]
    pub const fn position(&self) -> GlobalPosition {
        self.read.after
    }
}
