//! Waiting for a condition, within a bound.

use std::future::Future;
use std::time::Duration;

/// Far more than any condition takes.
pub const AT_MOST: Duration = Duration::from_secs(60);

/// Waits until `condition` gives a value: asks again and again.
///
/// # Panics
/// When it does not within a minute.
#[track_caller]
pub fn until<T, F: Future<Output = Option<T>>>(
    what: &str,
    mut condition: impl FnMut() -> F,
) -> impl Future<Output = T> {
    let asked = async move {
        loop {
            if let Some(value) = condition().await {
                return value;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    within(what, AT_MOST, asked)
}

/// Waits for something to end.
///
/// # Panics
/// When it takes longer than `at_most`.
#[track_caller]
pub fn within<T>(what: &str, at_most: Duration, wanted: impl Future<Output = T>) -> impl Future<Output = T> {
    let (what, caller) = (what.to_owned(), std::panic::Location::caller());
    async move {
        let done = tokio::time::timeout(at_most, wanted).await;
        assert!(done.is_ok(), "{caller}: waited {at_most:?} in vain until {what}");
        match done {
            Ok(value) => value,
            Err(_) => unreachable!("asserted above"),
        }
    }
}
