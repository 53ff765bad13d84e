//! What `#[derive(Aggregate)]` says about a state.

use std::fmt;
use std::time::Duration;

use cqrs_core::{Aggregate, Apply, Handle, SnapshotPolicy};

use super::{AccountEvent, deposited};

#[derive(Debug, PartialEq)]
struct Refused;

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("refused")
    }
}

impl std::error::Error for Refused {}

#[derive(Clone, Debug, Default, Aggregate)]
#[aggregate(stream = "account", id = String, event = AccountEvent, error = Refused, snapshot(every = 100, version = 3))]
struct Account {
    balance: i64,
}

#[derive(Clone, Debug, Default, Aggregate)]
#[aggregate(stream = "door", id = u64)]
#[aggregate(event = AccountEvent, error = Refused)]
enum Door {
    #[default]
    Open,
    Shut,
}

#[derive(Clone, Debug, Default, Aggregate)]
#[aggregate(stream = "window", id = u64, event = AccountEvent, error = Refused, snapshot(older_than = "90m"))]
struct Window;

#[derive(Clone, Debug, Default, Aggregate)]
#[aggregate(stream = "gate", id = u64, event = AccountEvent, error = Refused)]
#[aggregate(snapshot(older_than = "2d", version = 7, every = 10))]
struct Gate;

#[derive(Clone, Debug, Default, Aggregate)]
#[aggregate(stream = "hatch", id = u64, event = AccountEvent, error = Refused, snapshot(on_demand, version = 2))]
struct Hatch;

impl Apply for Account {
    fn apply(&mut self, event: &AccountEvent) {
        if let AccountEvent::Deposited { amount, .. } = event {
            self.balance += amount;
        }
    }
}

impl Handle<i64> for Account {
    fn handle(&self, amount: &i64) -> Result<Vec<AccountEvent>, Refused> {
        if *amount > 0 { Ok(vec![deposited(*amount)]) } else { Err(Refused) }
    }
}

#[test]
fn an_aggregate_knows_its_stream_and_its_snapshots() {
    assert_eq!((Account::CATEGORY, Door::CATEGORY, Window::CATEGORY), ("account", "door", "window"));
    let hours = |hours: u64| Duration::from_secs(hours * 3_600);
    let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
    assert_eq!((Account::SNAPSHOT, Account::STATE_VERSION), (SnapshotPolicy::every(100), 3));
    assert_eq!((Window::SNAPSHOT, Window::STATE_VERSION), (SnapshotPolicy::older_than(minutes(90)), 1));
    assert_eq!((Gate::SNAPSHOT, Gate::STATE_VERSION), (SnapshotPolicy::every(10).or_older_than(hours(48)), 7));
    assert_eq!((Hatch::SNAPSHOT, Hatch::STATE_VERSION), (SnapshotPolicy::ON_DEMAND, 2));
    assert_eq!((Door::SNAPSHOT, Door::STATE_VERSION), (SnapshotPolicy::NEVER, 1));
    assert!(matches!(Door::default(), Door::Open) && !matches!(Door::Shut, Door::Open));
}

#[test]
fn an_aggregate_folds_its_events_and_decides_on_them() {
    let mut account = Account::default();
    for event in account.handle(&7).unwrap() {
        account.apply(&event);
    }
    assert_eq!((account.balance, account.handle(&-1)), (7, Err(Refused)));
}
