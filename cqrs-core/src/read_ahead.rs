//! The log page by page, read ahead.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::task::JoinHandle;

use crate::event_store::{EventStore, LogPage, ReadAll, StoreError};
use crate::failure::Failure;
use crate::stream::GlobalPosition;

/// Pages on their way at once while the log has no gaps. A page's reading ends with the decoding of its rows: meanwhile the
/// store works on the other one.
const AT_ONCE: usize = 2;

/// Reads a window of the log page by page, in position order: while one page is in use the next are on their way.
#[derive(Debug)]
pub struct ReadAhead {
    store: Arc<dyn EventStore>,
    read: ReadAll,
    /// In the order of their positions, each window beginning where the one before it ends.
    ahead: VecDeque<Ahead>,
}

/// A page on its way; dropping it ends the reading.
#[derive(Debug)]
struct Ahead {
    until: GlobalPosition,
    page: JoinHandle<Result<LogPage, StoreError>>,
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.page.abort();
    }
}

impl ReadAhead {
    /// Nothing is read before the first [`next`](Self::next).
    #[must_use]
    pub fn new(store: Arc<dyn EventStore>, read: ReadAll) -> Self {
        Self { store, read, ahead: VecDeque::new() }
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
        let (read, until) = match self.ahead.front_mut() {
            Some(Ahead { until, page }) => {
                let read = page.await.unwrap_or_else(|ended| Err(StoreError::Transient(Failure::new(ended))));
                (read, *until)
            }
            None => (self.store.read_all(self.read.clone()).await, self.read.until),
        };
        self.ahead.pop_front();
        let mut page = read.inspect_err(|_| self.ahead.clear())?;
        if page.scanned_to < until {
            // The log ended before the window that was guessed for it, or the page was full.
            self.ahead.clear();
        } else {
            // Beyond a window that was guessed nothing has been looked at.
            page.more |= until < self.read.until;
        }
        let full = page.scanned_to.get().saturating_sub(self.read.after.get()) == self.read.limit as u64;
        self.read.after = page.scanned_to;
        if page.more {
            self.read_ahead(full && page.events.len() == self.read.limit);
        }
        Ok(page)
    }

    /// Without gaps the next pages are known by their positions. A gap, or an event that a filter leaves out, makes a page
    /// smaller; then the next one begins where this one ended.
    fn read_ahead(&mut self, without_gaps: bool) {
        while self.ahead.len() < if without_gaps { AT_ONCE } else { 1 } {
            let mut read = self.read.clone();
            if let Some(last) = self.ahead.back() {
                read.after = last.until;
            }
            if without_gaps {
                let end = read.after.get().saturating_add(read.limit as u64);
                read.until = read.until.min(GlobalPosition::new(end));
            }
            if read.after >= self.read.until {
                break;
            }
            let (store, until) = (Arc::clone(&self.store), read.until);
            self.ahead.push_back(Ahead { until, page: tokio::spawn(async move { store.read_all(read).await }) });
        }
    }

    /// Everything up to here has been given.
    #[must_use]
    pub const fn position(&self) -> GlobalPosition {
        self.read.after
    }
}
