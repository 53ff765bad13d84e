//! Aggregates as they were.

use cqrs_core::in_memory::InMemoryEventStore;
use cqrs_core::{AsOf, Context, EventStore, GlobalPosition, LoadError, Recorded, Repository, Timestamp, Version};
use cqrs_testkit::sample::{Account, AccountEvent, AccountId, Deposit, Open, Withdraw};

fn id() -> AccountId {
    AccountId::new("ACC-001")
}

fn version(number: u64) -> Version {
    Version::new(number).unwrap()
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The balance and version as of a moment, `None` when there was no event yet.
async fn as_of(accounts: &Repository<Account>, moment: AsOf) -> Option<(i64, u64)> {
    let loaded = accounts.load_as_of(&id(), moment).await.unwrap();
    loaded.map(|loaded| (loaded.state.balance(), loaded.version.get()))
}

/// Opened on 01-01, +100 on 01-10, then, recorded late, +7 on 01-05, then -20 on 01-12; another account in between.
async fn given() -> (InMemoryEventStore, Repository<Account>, Vec<Recorded<AccountEvent>>) {
    let store = InMemoryEventStore::new();
    let accounts = crate::repository::<Account>(store.clone());
    let on = |text: &str| Context::new().occurred_at(time(text));
    let other = AccountId::new("ACC-002");
    accounts.execute_with(&id(), Open { owner: "Ann".to_owned() }, on("2024-01-01T00:00:00Z")).await.unwrap();
    accounts.execute_with(&other, Open { owner: "Bob".to_owned() }, on("2024-01-02T00:00:00Z")).await.unwrap();
    accounts.execute_with(&id(), Deposit::new(100, "VND"), on("2024-01-10T12:00:00Z")).await.unwrap();
    accounts.execute_with(&id(), Deposit::new(7, "VND"), on("2024-01-05T12:00:00Z")).await.unwrap();
    accounts.execute_with(&id(), Withdraw { amount: 20 }, on("2024-01-12T12:00:00Z")).await.unwrap();
    let history = accounts.history(&id()).await.unwrap();
    (store, accounts, history)
}

#[tokio::test]
async fn as_of_a_version_includes_it() {
    let (_, accounts, _) = given().await;
    for (number, balance) in [(1, 0), (2, 100), (3, 107), (4, 87)] {
        assert_eq!(as_of(&accounts, AsOf::Version(version(number))).await, Some((balance, number)));
    }
}

#[tokio::test]
async fn a_version_beyond_the_end_is_an_error_that_says_where_the_end_is() {
    let (_, accounts, _) = given().await;
    for number in [5, 100] {
        let error = accounts.load_as_of(&id(), AsOf::Version(version(number))).await.unwrap_err();
        assert!(
            matches!(&error, LoadError::VersionBeyondEnd { stream, requested, newest }
                if stream.as_str() == "account-ACC-001" && requested.get() == number && *newest == Version::new(4)),
            "{error:?}"
        );
    }
    let error = accounts.load_as_of(&AccountId::new("ACC-9"), AsOf::Version(version(1))).await.unwrap_err();
    assert!(
        matches!(error, LoadError::VersionBeyondEnd { newest: None, .. }),
        "an unknown id has no version: {error:?}"
    );
}

#[tokio::test]
async fn as_of_a_position_includes_it() {
    let (_, accounts, history) = given().await;
    for (recorded, balance) in history.iter().zip([0, 100, 107, 87]) {
        let expected = Some((balance, recorded.version.get()));
        assert_eq!(as_of(&accounts, AsOf::Position(recorded.position)).await, expected);
    }
    let of_another = history[0].position.next();
    assert_eq!(as_of(&accounts, AsOf::Position(of_another)).await, Some((0, 1)), "another account's event");
    assert_eq!(as_of(&accounts, AsOf::Position(GlobalPosition::START)).await, None);
}

#[tokio::test]
async fn as_of_a_recorded_time_includes_it() {
    let (_, accounts, history) = given().await;
    for (recorded, balance) in history.iter().zip([0, 100, 107, 87]) {
        let number = recorded.version.get();
        assert_eq!(as_of(&accounts, AsOf::Recorded(recorded.recorded_at)).await, Some((balance, number)));
    }
    let before_the_third = history[2].recorded_at.plus_micros(-1);
    assert_eq!(as_of(&accounts, AsOf::Recorded(before_the_third)).await, Some((100, 2)));
}

#[tokio::test]
async fn as_of_an_occurred_time_includes_it_and_counts_events_that_were_recorded_late() {
    let (_, accounts, _) = given().await;
    let occurred = |text: &str| AsOf::Occurred(time(text));
    assert_eq!(as_of(&accounts, occurred("2024-01-01T00:00:00Z")).await, Some((0, 1)));
    assert_eq!(as_of(&accounts, occurred("2024-01-05T11:59:59.999999Z")).await, Some((0, 1)));
    assert_eq!(as_of(&accounts, occurred("2024-01-05T12:00:00Z")).await, Some((7, 3)), "version 2 happens later");
    assert_eq!(as_of(&accounts, occurred("2024-01-10T11:59:59.999999Z")).await, Some((7, 3)));
    assert_eq!(as_of(&accounts, occurred("2024-01-10T12:00:00Z")).await, Some((107, 3)));
    assert_eq!(as_of(&accounts, occurred("2024-01-12T12:00:00Z")).await, Some((87, 4)));
}

#[tokio::test]
async fn occurred_and_recorded_times_are_never_mixed_up() {
    let (_, accounts, history) = given().await;
    let when_recorded = history[1].recorded_at;
    assert_eq!(as_of(&accounts, AsOf::Occurred(when_recorded)).await, Some((87, 4)), "all had happened by then");
    assert_eq!(as_of(&accounts, AsOf::Recorded(time("2024-01-12T12:00:00Z"))).await, None, "none was recorded by then");
}

#[tokio::test]
async fn an_event_without_an_occurred_time_happened_when_it_was_recorded() {
    let (_, accounts, _) = given().await;
    let done = accounts.execute(&id(), Deposit::new(1_000, "VND")).await.unwrap();
    let recorded_at = accounts.load(&id()).await.unwrap().unwrap().recorded_at;
    assert_eq!(done.version, Version::new(5));
    assert_eq!(as_of(&accounts, AsOf::Occurred(recorded_at.plus_micros(-1))).await, Some((87, 4)));
    assert_eq!(as_of(&accounts, AsOf::Occurred(recorded_at)).await, Some((1_087, 5)));
}

#[tokio::test]
async fn an_event_that_is_to_happen_later_does_not_count_before() {
    let (_, accounts, _) = given().await;
    let planned = Context::new().occurred_at(Timestamp::MAX);
    accounts.execute_with(&id(), Deposit::new(1_000, "VND"), planned).await.unwrap();
    let recorded_at = accounts.load(&id()).await.unwrap().unwrap().recorded_at;
    assert_eq!(as_of(&accounts, AsOf::Recorded(recorded_at)).await, Some((1_087, 5)), "it is known");
    assert_eq!(as_of(&accounts, AsOf::Occurred(recorded_at)).await, Some((87, 4)), "it has not happened");
}

#[tokio::test]
async fn a_time_before_the_first_event_is_none() {
    let (_, accounts, history) = given().await;
    assert_eq!(as_of(&accounts, AsOf::Recorded(history[0].recorded_at.plus_micros(-1))).await, None);
    assert_eq!(as_of(&accounts, AsOf::Occurred(time("2023-12-31T23:59:59.999999Z"))).await, None);
    assert_eq!(as_of(&accounts, AsOf::Recorded(Timestamp::MIN)).await, None);
}

#[tokio::test]
async fn an_unknown_id_was_none_at_any_time() {
    let (_, accounts, _) = given().await;
    for moment in [AsOf::Recorded(Timestamp::MAX), AsOf::Occurred(Timestamp::MAX), AsOf::Position(GlobalPosition::MAX)]
    {
        assert_eq!(accounts.load_as_of(&AccountId::new("ACC-9"), moment).await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_moment_that_has_not_passed_yet_is_provisional() {
    let (store, accounts, _) = given().await;
    // The newest event of the store is another account's.
    accounts.execute(&AccountId::new("ACC-002"), Deposit::new(1, "VND")).await.unwrap();
    let head = store.head().await.unwrap();
    let newest = head.recorded_at.unwrap();
    for (moment, expected) in [
        (AsOf::Version(version(4)), false),
        (AsOf::Position(head.position), false),
        (AsOf::Position(head.position.next()), true),
        (AsOf::Recorded(newest), false),
        (AsOf::Recorded(newest.plus_micros(1)), true),
        (AsOf::Occurred(newest), false),
        (AsOf::Occurred(newest.plus_micros(1)), true),
        (AsOf::Occurred(time("2024-01-12T12:00:00Z")), false),
    ] {
        let loaded = accounts.load_as_of(&id(), moment).await.unwrap().unwrap();
        assert_eq!(loaded.provisional, expected, "{moment:?}");
        assert_eq!(loaded.state.balance(), 87, "{moment:?}");
    }
}

#[tokio::test]
async fn what_was_a_past_state_stays_it() {
    let (_, accounts, history) = given().await;
    let moments =
        [AsOf::Version(version(2)), AsOf::Position(history[1].position), AsOf::Recorded(history[1].recorded_at)];
    accounts.execute(&id(), Deposit::new(1_000, "VND")).await.unwrap();
    accounts.execute_with(&id(), Deposit::new(1, "VND"), Context::new().occurred_at(Timestamp::MIN)).await.unwrap();
    for moment in moments {
        assert_eq!(as_of(&accounts, moment).await, Some((100, 2)), "{moment:?}");
    }
}

#[tokio::test]
async fn as_of_two_times_counts_what_was_recorded_by_one_and_had_happened_by_the_other() {
    let (_, accounts, history) = given().await;
    let both = |occurred: &str, version: usize| AsOf::Bitemporal {
        occurred: time(occurred),
        recorded: history[version - 1].recorded_at,
    };
    // The deposit of 01-05 was recorded as version 3, after that of 01-10.
    assert_eq!(as_of(&accounts, both("2024-01-06T00:00:00Z", 2)).await, Some((0, 1)), "it was not known yet");
    assert_eq!(as_of(&accounts, both("2024-01-06T00:00:00Z", 3)).await, Some((7, 3)), "it was known");
    assert_eq!(as_of(&accounts, both("2024-01-10T12:00:00Z", 2)).await, Some((100, 2)));
    assert_eq!(as_of(&accounts, both("2024-01-10T12:00:00Z", 4)).await, Some((107, 3)));
    assert_eq!(as_of(&accounts, both("2024-01-31T00:00:00Z", 4)).await, Some((87, 4)));
    let before = AsOf::Bitemporal { occurred: Timestamp::MAX, recorded: history[0].recorded_at.plus_micros(-1) };
    assert_eq!(as_of(&accounts, before).await, None, "nothing was known");
}

#[tokio::test]
async fn what_was_known_then_does_not_change_by_what_is_recorded_later() {
    let (store, accounts, history) = given().await;
    let newest = store.head().await.unwrap().recorded_at.unwrap();
    let known = AsOf::Bitemporal { occurred: time("2024-01-06T00:00:00Z"), recorded: history[3].recorded_at };
    let then = accounts.load_as_of(&id(), known).await.unwrap().unwrap();
    assert!(!then.provisional);
    let backdated = Context::new().occurred_at(time("2024-01-02T00:00:00Z"));
    accounts.execute_with(&id(), Deposit::new(1_000, "VND"), backdated).await.unwrap();
    assert_eq!(accounts.load_as_of(&id(), known).await.unwrap().unwrap(), then);
    assert_eq!(as_of(&accounts, AsOf::Occurred(time("2024-01-06T00:00:00Z"))).await, Some((1_007, 5)));
    let later = AsOf::Bitemporal { occurred: newest, recorded: Timestamp::MAX };
    assert!(accounts.load_as_of(&id(), later).await.unwrap().unwrap().provisional, "more may be recorded by then");
}

#[tokio::test]
async fn what_is_last_known_of_a_version_to_come_is_the_newest_state() {
    let (_, accounts, _) = given().await;
    for (number, balance, newest, provisional) in [(2, 100, 2, false), (4, 87, 4, false), (5, 87, 4, true)] {
        let found = accounts.last_known(&id(), AsOf::Version(version(number))).await.unwrap().unwrap();
        assert_eq!((found.state.balance(), found.version.get(), found.provisional), (balance, newest, provisional));
    }
    let unknown = AccountId::new("ACC-9");
    assert_eq!(accounts.last_known(&unknown, AsOf::Version(version(1))).await.unwrap(), None);
}

#[tokio::test]
async fn what_is_last_known_at_a_time_is_the_state_then() {
    let (_, accounts, history) = given().await;
    for moment in [
        AsOf::Recorded(history[1].recorded_at),
        AsOf::Recorded(Timestamp::MAX),
        AsOf::Recorded(Timestamp::MIN),
        AsOf::Occurred(time("2024-01-05T12:00:00Z")),
        AsOf::Position(history[2].position),
    ] {
        let then = accounts.load_as_of(&id(), moment).await.unwrap();
        assert_eq!(accounts.last_known(&id(), moment).await.unwrap(), then, "{moment:?}");
    }
}
