//! How a test fails.

use std::error::Error;

#[track_caller]
#[allow(clippy::panic, reason = "a test that fails is what it is for")]
pub(crate) fn fail(message: &str) -> ! {
    panic!("{message}")
}

/// An error with all its causes.
pub(crate) fn chain(error: &dyn Error) -> String {
    let causes = std::iter::successors(error.source(), |&error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
