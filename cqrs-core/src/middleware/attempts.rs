//! What is known of a request's attempts, however they were made: by a retry, or by any other layer that clones it.

use std::sync::atomic::{AtomicBool, Ordering};

/// Shared by all clones of a request.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    begun: AtomicBool,
    unknown: AtomicBool,
}

/// An attempt that has reached its handler. Dropped before it is told what became of it, it is not known.
#[derive(Debug)]
pub(crate) struct Attempt<'a> {
    attempts: &'a Attempts,
    first: bool,
    unknown_before: bool,
}

impl Attempts {
    pub(crate) fn begin(&self) -> Attempt<'_> {
        let first = !self.begun.swap(true, Ordering::SeqCst);
        Attempt { attempts: self, first, unknown_before: self.unknown.swap(true, Ordering::SeqCst) }
    }

    /// Whether something may have been written.
    pub(crate) fn unknown(&self) -> bool {
        self.unknown.load(Ordering::SeqCst)
    }
}

impl Attempt<'_> {
    pub(crate) const fn is_first(&self) -> bool {
        self.first
    }

    /// This attempt wrote nothing. It says nothing of those before.
    pub(crate) fn wrote_nothing(self) {
        self.attempts.unknown.store(self.unknown_before, Ordering::SeqCst);
    }

    /// Nothing was written, by none of the attempts.
    pub(crate) fn settled(self) {
        self.attempts.unknown.store(false, Ordering::SeqCst);
    }
}
