//! Aggregates: now, at past moments, from snapshots.

use std::error::Error;

use cqrs_core::{AsOf, CodecError, GlobalPosition, LoadError, Repository, SnapshotPolicy, Version};
use cqrs_testkit::sample::{Account, AccountId, Status, Withdraw};

use super::{former_account, minute, recorded, store_of, today};

/// After each of the recorded events.
const BALANCES: [i64; 5] = [0, 100, 100, 80, 100];

fn id() -> AccountId {
    AccountId::new("ACC-001")
}

#[tokio::test]
async fn an_aggregate_is_folded_from_what_its_events_are_today() {
    let accounts = Repository::<Account>::new(store_of(former_account()).await);
    let loaded = accounts.load(&id()).await.unwrap().unwrap();
    assert_eq!((loaded.state.balance(), loaded.state.status()), (100, Status::Active));
    assert_eq!((loaded.version.get(), loaded.position.get()), (5, 50));

    let done = accounts.execute(&id(), Withdraw { amount: 100 }).await.unwrap();
    assert_eq!(done.version.map(Version::get), Some(6));
}

#[tokio::test]
async fn every_past_moment_holds_all_or_nothing_of_a_recorded_event() {
    let accounts = Repository::<Account>::new(store_of(former_account()).await);
    for (number, balance) in (1..).zip(BALANCES) {
        for as_of in [
            AsOf::Version(Version::new(number).unwrap()),
            AsOf::Position(GlobalPosition::new(number * 10)),
            AsOf::Position(GlobalPosition::new(number * 10 + 9)),
            AsOf::Recorded(minute(number)),
            AsOf::Occurred(minute(number)),
        ] {
            let then = accounts.load_as_of(&id(), as_of).await.unwrap().unwrap();
            assert_eq!((then.state.balance(), then.version.get()), (balance, number), "{as_of:?}");
        }
    }
}

#[tokio::test]
async fn the_history_holds_today_s_events_beside_the_recorded_ones() {
    let accounts = Repository::<Account>::new(store_of(former_account()).await);
    let history = accounts.history(&id()).await.unwrap();
    let found: Vec<_> = history.iter().map(|event| (event.event.clone(), event.version.get())).collect();
    assert_eq!(found, today());
    assert_eq!((history[2].event_type.as_str(), history[2].id), ("account.corrected.v1", history[3].id));
    assert_eq!(history[2].payload.as_str(), r#"{"wrong":100,"right":80}"#);
}

#[tokio::test]
async fn a_snapshot_stands_on_whole_recorded_events() {
    for length in 1..=5 {
        let store = store_of(former_account().into_iter().take(length).collect()).await;
        let accounts = Repository::<Account>::new(store.clone()).snapshots(store.snapshots());
        let accounts = accounts.snapshot_policy(SnapshotPolicy::ON_DEMAND);
        let snapshot = accounts.snapshot(&id()).await.unwrap().unwrap();
        assert_eq!(snapshot.version.get(), length as u64);
        let loaded = accounts.load(&id()).await.unwrap().unwrap();
        assert_eq!(loaded.state.balance(), BALANCES[length - 1]);
    }
}

#[tokio::test]
async fn an_aggregate_with_an_event_of_an_unknown_type_is_not_loaded() {
    let mut events = former_account();
    events.push(recorded(6, "account.frozen.v1", "{}"));
    let accounts = Repository::<Account>::new(store_of(events).await);
    let error = accounts.load(&id()).await.unwrap_err();
    let LoadError::Undecodable(undecodable) = &error else { panic!("{error:?}") };
    assert_eq!((undecodable.version.get(), undecodable.event_type.as_str()), (6, "account.frozen.v1"));
    assert!(matches!(&undecodable.source, CodecError::UnknownType(name) if name == "account.frozen.v1"));
    assert!(undecodable.source().unwrap().to_string().contains("account.frozen.v1"));

    let before = accounts.load_as_of(&id(), AsOf::Version(Version::new(5).unwrap())).await.unwrap().unwrap();
    assert_eq!(before.state.balance(), 100, "its past is known as before");
}
