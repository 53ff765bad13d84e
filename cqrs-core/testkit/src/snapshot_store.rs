//! The contract of [`SnapshotStore`]: one function per behaviour, each on a store of its own.

use std::sync::Arc;

use cqrs_core::{
    AsOf, Category, EventId, GlobalPosition, ListStreams, PrunedSnapshots, Snapshot, SnapshotQuery, SnapshotRetention,
    SnapshotStore, Timestamp,
};

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

pub async fn as_of_two_times_needs_all_that_was_folded_to_be_recorded_and_to_have_happened(store: Store) {
    let second = |number: i64| Timestamp::from_micros(number * 1_000_000);
    for (number, happened) in [(10, 1), (20, 900), (30, 900), (40, 2_000)] {
        save(&store, &Snapshot { happened_until: second(happened), ..snapshot("account-a", number) }).await;
    }
    let recorded_at = |number| snapshot("account-a", number).recorded_at;
    let both = |occurred, recorded| AsOf::Bitemporal { occurred: second(occurred), recorded };
    assert_eq!(as_of(&store, both(900, Timestamp::MAX)).await, Some(30));
    assert_eq!(as_of(&store, both(900, recorded_at(30))).await, Some(30));
    assert_eq!(as_of(&store, both(900, recorded_at(30).plus_micros(-1))).await, Some(20));
    assert_eq!(as_of(&store, both(899, Timestamp::MAX)).await, Some(10));
    assert_eq!(as_of(&store, both(899, recorded_at(10).plus_micros(-1))).await, None);
    assert_eq!(as_of(&store, both(2_000, recorded_at(40))).await, Some(40));
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

const fn keep(keep: u32) -> SnapshotRetention {
    SnapshotRetention { state_version: 1, fingerprint: FINGERPRINT, keep }
}

async fn prune(store: &Store, of: &str, retention: SnapshotRetention) -> u64 {
    store.prune(&stream(of), retention).await.expect("snapshots are dropped")
}

fn streams_of(category: &str) -> ListStreams {
    ListStreams::new(Category::new(category).expect("the suite names its categories well"))
}

async fn prune_streams(store: &Store, page: &ListStreams, retention: SnapshotRetention) -> PrunedSnapshots {
    store.prune_streams(page, retention).await.expect("snapshots are dropped")
}

/// The versions of all snapshots of a stream that have the shape of `like`, in ascending order.
async fn versions(store: &Store, of: &str, like: SnapshotRetention) -> Vec<u64> {
    let mut versions = Vec::new();
    let mut query = SnapshotQuery {
        stream: stream(of),
        as_of: None,
        state_version: like.state_version,
        fingerprint: like.fingerprint,
    };
    while let Some(snapshot) = newest(store, &query).await {
        versions.insert(0, snapshot.version.get());
        let Some(before) = snapshot.version.previous() else { break };
        query.as_of = Some(AsOf::Version(before));
    }
    versions
}

pub async fn pruning_keeps_the_highest_versions_in_whatever_order_they_were_saved(store: Store) {
    given(&store, &[40, 10, 50, 30, 20]).await;
    assert_eq!(prune(&store, "account-a", keep(2)).await, 3);
    assert_eq!(versions(&store, "account-a", keep(0)).await, [40, 50]);
    given(&store, &[45]).await;
    assert_eq!(prune(&store, "account-a", keep(2)).await, 1);
    assert_eq!(versions(&store, "account-a", keep(0)).await, [45, 50], "one that comes late is older");
    given(&store, &[1]).await;
    assert_eq!(prune(&store, "account-a", keep(2)).await, 1);
    assert_eq!(versions(&store, "account-a", keep(0)).await, [45, 50]);
}

pub async fn pruning_leaves_other_shapes_and_streams(store: Store) {
    let other_state = SnapshotRetention { state_version: 2, ..keep(0) };
    let other_events = SnapshotRetention { fingerprint: 1, ..keep(0) };
    given(&store, &[10, 20, 30]).await;
    for number in [15, 40] {
        save(&store, &Snapshot { state_version: 2, ..snapshot("account-a", number) }).await;
        save(&store, &Snapshot { fingerprint: 1, ..snapshot("account-a", number) }).await;
        save(&store, &snapshot("account-b", number)).await;
    }
    assert_eq!(prune(&store, "account-a", keep(1)).await, 2);
    assert_eq!(versions(&store, "account-a", keep(0)).await, [30], "those of other shapes do not count");
    assert_eq!(versions(&store, "account-a", other_state).await, [15, 40]);
    assert_eq!(versions(&store, "account-a", other_events).await, [15, 40]);
    assert_eq!(versions(&store, "account-b", keep(0)).await, [15, 40]);
}

pub async fn pruning_to_none_or_more_than_there_are(store: Store) {
    given(&store, &[10, 20]).await;
    assert_eq!(prune(&store, "account-none", keep(1)).await, 0);
    for most in [2, 3, u32::MAX] {
        assert_eq!(prune(&store, "account-a", keep(most)).await, 0);
    }
    assert_eq!(versions(&store, "account-a", keep(0)).await, [10, 20]);
    assert_eq!(prune(&store, "account-a", keep(0)).await, 2);
    assert_eq!(newest(&store, &query("account-a", None)).await, None);
}

pub async fn pruning_streams_keeps_the_newest_of_one_shape_and_drops_the_others(store: Store) {
    let other_state = SnapshotRetention { state_version: 2, ..keep(0) };
    let other_events = SnapshotRetention { fingerprint: 1, ..keep(0) };
    given(&store, &[10, 30, 20]).await;
    save(&store, &Snapshot { state_version: 2, ..snapshot("account-a", 40) }).await;
    save(&store, &Snapshot { fingerprint: 1, ..snapshot("account-a", 50) }).await;
    save(&store, &Snapshot { state_version: 2, ..snapshot("account-b", 10) }).await;
    save(&store, &snapshot("account-c", 10)).await;
    let pruned = prune_streams(&store, &streams_of("account"), keep(2)).await;
    let expected = PrunedSnapshots { streams: 3, dropped: 4, last: Some(stream("account-c")), more: false };
    assert_eq!(pruned, expected);
    assert_eq!(versions(&store, "account-a", keep(0)).await, [20, 30]);
    assert_eq!(versions(&store, "account-c", keep(0)).await, [10]);
    for of in ["account-a", "account-b"] {
        assert!(versions(&store, of, other_state).await.is_empty());
        assert!(versions(&store, of, other_events).await.is_empty());
    }
    let again = prune_streams(&store, &streams_of("account"), keep(2)).await;
    assert_eq!((again.streams, again.dropped), (2, 0), "there is nothing left of account-b");
}

pub async fn pruning_streams_leaves_other_categories(store: Store) {
    let others = ["Account-1", "account.x-1", "accounts-1", "account_-1", "b-1"];
    for name in others {
        save(&store, &Snapshot { state_version: 2, ..snapshot(name, 10) }).await;
    }
    assert_eq!(prune_streams(&store, &streams_of("account"), keep(0)).await, PrunedSnapshots::default());
    let other_state = SnapshotRetention { state_version: 2, ..keep(0) };
    for name in others {
        assert_eq!(versions(&store, name, other_state).await, [10], "{name}");
    }
}

pub async fn pruning_streams_goes_page_by_page(store: Store) {
    let name = |number: usize| format!("account-{number:02}");
    for number in 0..25 {
        save(&store, &snapshot(&name(number), 10)).await;
        save(&store, &snapshot(&name(number), 20)).await;
    }
    let mut window = streams_of("account").limit(4);
    let (mut streams, mut pages) = (0, 0);
    loop {
        let page = prune_streams(&store, &window, keep(1)).await;
        assert!(page.streams <= 4 && page.dropped == page.streams);
        (streams, pages) = (streams + page.streams, pages + 1);
        if !page.more {
            break;
        }
        window.after = page.last;
    }
    assert_eq!((streams, pages), (25, 7));
    for number in 0..25 {
        assert_eq!(versions(&store, &name(number), keep(0)).await, [20]);
    }
}

pub async fn pruning_beside_saves_keeps_the_newest(store: Store) {
    let tasks: Vec<_> = (1..=20)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move {
                save(&store, &snapshot("account-a", number)).await;
                prune(&store, "account-a", keep(3)).await;
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("pruning does not panic");
    }
    prune(&store, "account-a", keep(3)).await;
    assert_eq!(versions(&store, "account-a", keep(0)).await, [18, 19, 20]);
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
