//! Time that passes when a test says so.

use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use cqrs_core::{Clock, Timestamp};

use crate::fail::fail;

/// A clock that stands still until it is told otherwise. Clones show the same time.
///
/// ```
/// use std::time::Duration;
/// use cqrs_core::{AsOf, Repository, in_memory::InMemoryEventStore};
/// use cqrs_testkit::VirtualClock;
/// use cqrs_testkit::sample::{Account, AccountId, Deposit, Open};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let clock = VirtualClock::at("2024-01-01T00:00:00Z");
/// let accounts = Repository::<Account>::new(InMemoryEventStore::with_clock(clock.clone()));
/// let id = AccountId::new("ACC-001");
/// accounts.execute(&id, Open { owner: "Ann".to_owned() }).await?;
/// clock.advance(Duration::from_secs(86_400));
/// accounts.execute(&id, Deposit::new(5, "VND")).await?;
///
/// let on_new_year = AsOf::Recorded("2024-01-01T12:00:00Z".parse()?);
/// assert_eq!(accounts.load_as_of(&id, on_new_year).await?.map(|then| then.state.balance()), Some(0));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct VirtualClock(Arc<AtomicI64>);

impl VirtualClock {
    /// A clock that shows this moment: a [`Timestamp`], or a text such as `2024-01-01T00:00:00Z`.
    ///
    /// # Panics
    /// When the text is no moment.
    #[track_caller]
    #[must_use]
    pub fn at(moment: impl TryInto<Timestamp, Error: Display>) -> Self {
        Self(Arc::new(AtomicI64::new(micros(moment))))
    }

    /// Lets so much time pass, in whole microseconds; finer parts are cut off. It ends at [`Timestamp::MAX`].
    pub fn advance(&self, by: Duration) {
        let by = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
        let later = |now| Some(Timestamp::from_micros(now).plus_micros(by).as_micros());
        let _ = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, later);
    }

    /// Shows this moment from now on, which may be an earlier one.
    ///
    /// # Panics
    /// When the text is no moment.
    #[track_caller]
    pub fn set(&self, moment: impl TryInto<Timestamp, Error: Display>) {
        self.0.store(micros(moment), Ordering::SeqCst);
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }
}

#[track_caller]
fn micros(moment: impl TryInto<Timestamp, Error: Display>) -> i64 {
    let moment = moment.try_into().unwrap_or_else(|error| fail(&error.to_string()));
    moment.as_micros()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_passes_when_it_is_told_to() {
        let clock = VirtualClock::at("2024-01-31T23:59:59.999999Z");
        let same = clock.clone();
        assert_eq!(clock.now(), clock.now());
        same.advance(Duration::from_nanos(1_999));
        assert_eq!(clock.now().to_string(), "2024-02-01T00:00:00Z");
        same.set(Timestamp::MIN);
        assert_eq!(clock.now(), Timestamp::MIN);
    }

    #[test]
    fn it_ends_at_the_latest_moment() {
        let clock = VirtualClock::at(Timestamp::MAX);
        clock.advance(Duration::MAX);
        assert_eq!(clock.now(), Timestamp::MAX);
    }

    #[test]
    #[should_panic(expected = "invalid timestamp \"yesterday\"")]
    fn a_text_that_is_no_moment_is_refused() {
        let _ = VirtualClock::at("yesterday");
    }
}
