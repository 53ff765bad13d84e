//! The contract of [`SnapshotStore`]: one function per behaviour, each on a store of its own.

use std::sync::Arc;

use cqrs_core::{AsOf, EventId, GlobalPosition, Snapshot, SnapshotQuery, SnapshotStore, Timestamp};

use crate::event_store::{json, stream, version};

type Store = Arc<dyn SnapshotStore>;

const FINGERPRINT: u64 = 0xfeed_0000_0000_0001;

/// The state after an event, which was recorded in second `number * 10` and stands at position `number * 100`.
fn snapshot(of: &str, number: u64) -> Snapshot {
    let time = Timestamp::from_micros(i64::try_from(number).expect("the suite counts low") * 10_000_000);
    Snapshot {
        stream: stream(of),
        version: version(number),
        position: GlobalPosition::new(number * 100),
        event_id: EventId::new(),
        recorded_at: time,
        happened_until: time,
        state_version: 1,
        fingerprint: FINGERPRINT,
        state: json(&format!(r#"{{"balance":{number}}}"#)),
    }
}

fn query(of: &str, as_of: Option<AsOf>) -> SnapshotQuery {
    SnapshotQuery { stream: stream(of), as_of, state_version: 1, fingerprint: FINGERPRINT }
}

async fn save(store: &Store, snapshot: &Snapshot) {
    store.save(snapshot.clone()).await.expect("the snapshot is saved");
}

async fn newest(store: &Store, query: &SnapshotQuery) -> Option<Snapshot> {
    store.newest(query).await.expect("snapshots can be read")
}

/// The version of the newest snapshot of `account-a` as of a moment.
async fn as_of(store: &Store, moment: AsOf) -> Option<u64> {
    newest(store, &query("account-a", Some(moment))).await.map(|snapshot| snapshot.version.get())
}

async fn given(store: &Store, numbers: &[u64]) -> Vec<Snapshot> {
    let snapshots: Vec<_> = numbers.iter().map(|number| snapshot("account-a", *number)).collect();
    for snapshot in &snapshots {
        save(store, snapshot).await;
    }
    snapshots
}

pub async fn a_stream_without_snapshots_has_no_newest(store: Store) {
    assert_eq!(newest(&store, &query("account-a", None)).await, None);
}

pub async fn a_snapshot_comes_back_as_it_was_saved(store: Store) {
    let mut saved = snapshot("account-é '%", 7);
    saved.state_version = 4_000_000_000;
    saved.fingerprint = u64::MAX;
    saved.recorded_at = "2024-01-14T14:00:00.123457Z".parse().expect("it is a moment");
    saved.happened_until = Timestamp::MAX;
    saved.state = json(" { \"b\":1.00,\n\"a\" : \"\\u00e9 ü\", \"a\":12345678901234567890123 } ");
    save(&store, &saved).await;
    let query = SnapshotQuery {
        stream: saved.stream.clone(),
        as_of: None,
        state_version: saved.state_version,
        fingerprint: saved.fingerprint,
    };
    assert_eq!(newest(&store, &query).await, Some(saved), "byte for byte");
}

pub async fn a_large_state_comes_back(store: Store) {
    let mut saved = snapshot("account-a", 1);
    saved.state = json(&format!("\"{}\"", "x".repeat(3 << 20)));
    save(&store, &saved).await;
    assert!(newest(&store, &query("account-a", None)).await == Some(saved), "byte for byte");
}

pub async fn the_newest_has_the_highest_version_in_whatever_order_they_were_saved(store: Store) {
    let snapshots = given(&store, &[10, 30, 20]).await;
    assert_eq!(newest(&store, &query("account-a", None)).await, Some(snapshots[1].clone()));
}

pub async fn saving_the_same_version_again_replaces_it(store: Store) {
    given(&store, &[10, 20]).await;
    let mut again = snapshot("account-a", 20);
    again.state = json(r#"{"balance":"other"}"#);
    again.position = GlobalPosition::new(2_001);
    again.happened_until = again.happened_until.plus_micros(5);
    save(&store, &again).await;
    assert_eq!(newest(&store, &query("account-a", None)).await, Some(again));
}

pub async fn a_snapshot_of_another_state_version_is_passed_over(store: Store) {
    let snapshots = given(&store, &[10]).await;
    let newer = Snapshot { state_version: 2, ..snapshot("account-a", 20) };
    save(&store, &newer).await;
    assert_eq!(newest(&store, &query("account-a", None)).await, Some(snapshots[0].clone()));
    let of_two = SnapshotQuery { state_version: 2, ..query("account-a", None) };
    assert_eq!(newest(&store, &of_two).await, Some(newer));
    let of_three = SnapshotQuery { state_version: 3, ..query("account-a", None) };
    assert_eq!(newest(&store, &of_three).await, None);
}

pub async fn a_snapshot_of_another_fingerprint_is_passed_over(store: Store) {
    let snapshots = given(&store, &[10]).await;
    let newer = Snapshot { fingerprint: 1, ..snapshot("account-a", 20) };
    save(&store, &newer).await;
    assert_eq!(newest(&store, &query("account-a", None)).await, Some(snapshots[0].clone()));
    let of_one = SnapshotQuery { fingerprint: 1, ..query("account-a", None) };
    assert_eq!(newest(&store, &of_one).await, Some(newer));
}

pub async fn shapes_of_one_version_stand_beside_each_other(store: Store) {
    let one = given(&store, &[10]).await.remove(0);
    let two = Snapshot { state_version: 2, state: json("2"), ..one.clone() };
    let three = Snapshot { fingerprint: 3, state: json("3"), ..one.clone() };
    save(&store, &two).await;
    save(&store, &three).await;
    assert_eq!(newest(&store, &query("account-a", None)).await, Some(one));
    assert_eq!(newest(&store, &SnapshotQuery { state_version: 2, ..query("account-a", None) }).await, Some(two));
    assert_eq!(newest(&store, &SnapshotQuery { fingerprint: 3, ..query("account-a", None) }).await, Some(three));
}

pub async fn as_of_a_version_includes_it(store: Store) {
    given(&store, &[10, 20, 30]).await;
    for (moment, expected) in
        [(9, None), (10, Some(10)), (19, Some(10)), (20, Some(20)), (29, Some(20)), (99, Some(30))]
    {
        assert_eq!(as_of(&store, AsOf::Version(version(moment))).await, expected, "version {moment}");
    }
}

pub async fn as_of_a_position_includes_it(store: Store) {
    given(&store, &[10, 20, 30]).await;
    for (moment, expected) in [(0, None), (999, None), (1_000, Some(10)), (2_999, Some(20)), (3_000, Some(30))] {
        assert_eq!(as_of(&store, AsOf::Position(GlobalPosition::new(moment))).await, expected, "position {moment}");
    }
}

pub async fn as_of_a_recorded_time_includes_it(store: Store) {
    let snapshots = given(&store, &[10, 20, 30]).await;
    let at = snapshots[1].recorded_at;
    assert_eq!(as_of(&store, AsOf::Recorded(at.plus_micros(-1))).await, Some(10));
    assert_eq!(as_of(&store, AsOf::Recorded(at)).await, Some(20));
    assert_eq!(as_of(&store, AsOf::Recorded(Timestamp::MIN)).await, None);
    assert_eq!(as_of(&store, AsOf::Recorded(Timestamp::MAX)).await, Some(30));
}

pub async fn as_of_an_occurred_time_needs_all_that_was_folded_to_have_happened(store: Store) {
    let second = |number: i64| Timestamp::from_micros(number * 1_000_000);
    // An event of the second snapshot happened long after it was recorded; those of the others in the first second.
    for (number, happened) in [(10, 1), (20, 900), (30, 900), (40, 2_000)] {
        save(&store, &Snapshot { happened_until: second(happened), ..snapshot("account-a", number) }).await;
    }
    assert_eq!(as_of(&store, AsOf::Occurred(second(0))).await, None);
    assert_eq!(as_of(&store, AsOf::Occurred(second(1))).await, Some(10));
    assert_eq!(as_of(&store, AsOf::Occurred(second(899))).await, Some(10), "not what was recorded by then");
    assert_eq!(as_of(&store, AsOf::Occurred(second(900))).await, Some(30));
    assert_eq!(as_of(&store, AsOf::Occurred(Timestamp::MAX)).await, Some(40));
    assert_eq!(as_of(&store, AsOf::Recorded(second(200))).await, Some(20), "and the other way round");
}

pub async fn as_of_passes_over_other_shapes(store: Store) {
    given(&store, &[10, 20]).await;
    save(&store, &Snapshot { state_version: 2, ..snapshot("account-a", 15) }).await;
    assert_eq!(as_of(&store, AsOf::Version(version(17))).await, Some(10));
}

pub async fn streams_do_not_mix(store: Store) {
    let names = ["account-a", "account-a2", "Account-a", "account-A", "account-a ", "account-_"];
    for (name, number) in names.into_iter().zip(1..) {
        save(&store, &snapshot(name, number)).await;
    }
    for (name, number) in names.into_iter().zip(1..) {
        let found = newest(&store, &query(name, None)).await.map(|snapshot| snapshot.version.get());
        assert_eq!(found, Some(number), "{name:?}");
    }
}

pub async fn clearing_drops_all_snapshots_of_one_stream(store: Store) {
    given(&store, &[10, 20]).await;
    save(&store, &Snapshot { state_version: 2, ..snapshot("account-a", 30) }).await;
    save(&store, &snapshot("account-b", 10)).await;
    store.clear(&stream("account-a")).await.expect("snapshots are dropped");
    assert_eq!(newest(&store, &query("account-a", None)).await, None);
    assert_eq!(newest(&store, &SnapshotQuery { state_version: 2, ..query("account-a", None) }).await, None);
    assert!(newest(&store, &query("account-b", None)).await.is_some());
    store.clear(&stream("account-a")).await.expect("clearing what is clear does nothing");
    given(&store, &[5]).await;
    assert_eq!(as_of(&store, AsOf::Version(version(9))).await, Some(5), "and it goes on");
}

pub async fn parallel_saves_all_arrive(store: Store) {
    let tasks: Vec<_> = (1..=20)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move { save(&store, &snapshot("account-a", 1 + number % 10)).await })
        })
        .collect();
    for task in tasks {
        task.await.expect("saving does not panic");
    }
    for number in 1..=10 {
        assert_eq!(as_of(&store, AsOf::Version(version(number))).await, Some(number));
    }
}
