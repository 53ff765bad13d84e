//! When a snapshot is taken. Pure.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::stream::Version;
use crate::timestamp::Timestamp;

/// When a snapshot of an aggregate is taken without being asked for.
///
/// The policy is looked at after each append, and after each load that had to read events. It knows no clock: how old a
/// snapshot is, is the time from the event that it stands on to the aggregate's newest event, both as the store
/// recorded them. An aggregate to which nothing happens gets no snapshot, however long that lasts.
///
/// ```
/// use std::time::Duration;
/// use cqrs_core::SnapshotPolicy;
///
/// const HOUR: Duration = Duration::from_secs(3_600);
/// let policies = [
///     SnapshotPolicy::every(100),
///     SnapshotPolicy::older_than(HOUR),
///     SnapshotPolicy::every(100).or_older_than(HOUR), // whichever comes first
///     SnapshotPolicy::ON_DEMAND,
///     SnapshotPolicy::NEVER,
/// ];
/// # let _ = policies;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotPolicy(Rule);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    Never,
    OnDemand,
    When { every: Option<NonZeroU32>, older_than: Option<Duration> },
}

/// A point of a stream: that of a snapshot, or version 0 at the time of the first event where there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mark {
    pub version: u64,
    pub recorded_at: Timestamp,
}

impl Mark {
    pub fn at(version: Version, recorded_at: Timestamp) -> Self {
        Self { version: version.get(), recorded_at }
    }

    /// Before the first event, which was recorded at this time.
    pub const fn before_first(recorded_at: Timestamp) -> Self {
        Self { version: 0, recorded_at }
    }
}

impl SnapshotPolicy {
    /// No snapshots at all: none is taken, none is loaded from.
    pub const NEVER: Self = Self(Rule::Never);

    /// Only when [`Repository::snapshot`](crate::Repository::snapshot) asks for one; loads start from those.
    pub const ON_DEMAND: Self = Self(Rule::OnDemand);

    /// Whenever the version passes a multiple of `events` (0 is taken as 1).
    #[must_use]
    pub const fn every(events: u32) -> Self {
        let every = match NonZeroU32::new(events) {
            Some(every) => every,
            None => NonZeroU32::MIN,
        };
        Self(Rule::When { every: Some(every), older_than: None })
    }

    /// When the newest snapshot (the first event, where there is none) is older than `age`, in whole microseconds.
    #[must_use]
    pub const fn older_than(age: Duration) -> Self {
        Self(Rule::When { every: None, older_than: Some(age) })
    }

    /// Also when the newest snapshot is [older than](Self::older_than) `age`.
    #[must_use]
    pub const fn or_older_than(self, age: Duration) -> Self {
        match self.0 {
            Rule::When { every, .. } => Self(Rule::When { every, older_than: Some(age) }),
            Rule::Never | Rule::OnDemand => Self::older_than(age),
        }
    }

    pub(crate) const fn is_never(self) -> bool {
        matches!(self.0, Rule::Never)
    }

    /// Whether the state at `newest` is to be kept, when the snapshot before it is that at `since`.
    pub(crate) fn is_due(self, since: Mark, newest: Mark) -> bool {
        let Rule::When { every, older_than } = self.0 else { return false };
        let passed = every.is_some_and(|every| {
            let every = u64::from(every.get());
            newest.version / every > since.version / every
        });
        let aged = older_than.is_some_and(|age| {
            let micros = newest.recorded_at.as_micros().saturating_sub(since.recorded_at.as_micros());
            newest.version > since.version && u128::try_from(micros).is_ok_and(|micros| micros > age.as_micros())
        });
        passed || aged
    }

    /// Whether a stream of this length may be due: most are too short, and need not be read to know that.
    pub(crate) fn may_be_due(self, newest: Version) -> bool {
        let Rule::When { every, older_than } = self.0 else { return false };
        every.is_some_and(|every| newest.get() >= u64::from(every.get())) || (older_than.is_some() && newest.get() > 1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn mark(version: u64, second: i64) -> Mark {
        Mark { version, recorded_at: Timestamp::from_micros(second * 1_000_000) }
    }

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn every_hundred_events_is_due_when_a_multiple_was_passed() {
        let policy = SnapshotPolicy::every(100);
        for (since, newest, due) in [
            (0, 99, false),
            (0, 100, true),
            (0, 250, true),
            (100, 199, false),
            (150, 199, false),
            (150, 200, true),
            (200, 200, false),
            (300, 250, false),
        ] {
            assert_eq!(policy.is_due(mark(since, 0), mark(newest, 1_000_000)), due, "{since} to {newest}");
        }
        assert!(SnapshotPolicy::every(0).is_due(mark(7, 0), mark(8, 0)), "0 is taken as 1");
    }

    #[test]
    fn by_age_is_due_when_the_newest_event_is_that_much_later() {
        let policy = SnapshotPolicy::older_than(MINUTE);
        for (since, newest, due) in [(0, 60, false), (0, 61, true), (100, 61, false), (100, 161, true)] {
            assert_eq!(policy.is_due(mark(5, since), mark(6, newest)), due, "{since} s to {newest} s");
        }
        assert!(!policy.is_due(mark(5, 0), mark(5, 1_000)), "there is a snapshot of this event");
        let ages = |age| SnapshotPolicy::older_than(age);
        assert!(!ages(Duration::MAX).is_due(Mark::before_first(Timestamp::MIN), mark(9, 0)));
        assert!(!ages(Duration::ZERO).is_due(mark(5, 0), mark(6, 0)), "not older, as old");
    }

    #[test]
    fn of_both_the_first_decides() {
        let policy = SnapshotPolicy::every(100).or_older_than(MINUTE);
        assert!(policy.is_due(mark(0, 0), mark(100, 1)));
        assert!(policy.is_due(mark(0, 0), mark(2, 61)));
        assert!(!policy.is_due(mark(0, 0), mark(99, 60)));
    }

    #[test]
    fn on_demand_and_never_are_never_due() {
        for policy in [SnapshotPolicy::ON_DEMAND, SnapshotPolicy::NEVER] {
            assert!(!policy.is_due(mark(0, 0), mark(1_000_000, 1_000_000)));
            assert!(!policy.may_be_due(Version::MAX));
            assert_eq!(policy.or_older_than(MINUTE), SnapshotPolicy::older_than(MINUTE));
        }
    }

    fn policies() -> impl Strategy<Value = SnapshotPolicy> {
        let rule = (proptest::option::of(1..50_u32), proptest::option::of(0..50_u64));
        let when = rule.prop_map(|(every, seconds)| match (every, seconds.map(Duration::from_secs)) {
            (Some(every), Some(age)) => SnapshotPolicy::every(every).or_older_than(age),
            (Some(every), None) => SnapshotPolicy::every(every),
            (None, Some(age)) => SnapshotPolicy::older_than(age),
            (None, None) => SnapshotPolicy::NEVER,
        });
        prop_oneof![4 => when, 1 => Just(SnapshotPolicy::ON_DEMAND)]
    }

    proptest! {
        /// A stream: each event comes some versions and seconds after the one before.
        #[test]
        fn what_is_due_stays_due_until_a_snapshot_is_taken(
            policy in policies(), steps in proptest::collection::vec((1..30_u64, 0..30_i64), 1..20),
        ) {
            let since = mark(0, 0);
            let (mut newest, mut was_due) = (since, false);
            for (versions, seconds) in steps {
                newest.version += versions;
                newest.recorded_at = newest.recorded_at.plus_micros(seconds * 1_000_000);
                let due = policy.is_due(since, newest);
                prop_assert!(due || !was_due);
                prop_assert!(!due || policy.may_be_due(Version::new(newest.version).unwrap()) || newest.version == 1);
                prop_assert!(!policy.is_due(newest, newest), "the one that was taken is not taken again");
                was_due = due;
            }
        }
    }
}
