//! Readers of the log.

use cqrs_core::{
    Category, CodecError, Decoded, EventSet, EventStore, Filter, GlobalPosition, ReadAll, Recorded, RecordedEvent,
    Repository, TypedReadError, TypedSubscription, UnknownTypes,
};
use cqrs_testkit::sample::{Account, AccountEvent, AccountId, Withdraw};

use super::{former_account, recorded, store_of, today};

async fn subscribe(events: Vec<RecordedEvent>, filter: Filter) -> TypedSubscription<AccountEvent> {
    let store = store_of(events).await;
    TypedSubscription::new(store.subscribe(GlobalPosition::START, filter).await.unwrap())
}

fn of_accounts() -> Filter {
    Filter::Categories(vec![Category::new("account").unwrap()])
}

/// In their midst is one that nobody has heard of.
fn with_an_unknown_one() -> Vec<RecordedEvent> {
    let mut events = former_account();
    events.truncate(2);
    events.push(recorded(3, "account.frozen.v1", r#"{"why":"asked for"}"#));
    events.push(recorded(4, "account.corrected.v1", r#"{"wrong":100,"right":80}"#));
    events
}

fn known(events: Vec<Decoded<AccountEvent>>) -> Vec<(AccountEvent, u64)> {
    let known = events.into_iter().map(|event| event.known().unwrap());
    known.map(|event| (event.event, event.raw.version.get())).collect()
}

#[tokio::test]
async fn a_subscription_delivers_today_s_events() {
    for filter in [of_accounts(), Filter::All, Filter::EventTypes(AccountEvent::event_types())] {
        let mut events = subscribe(former_account(), filter).await;
        let page = events.next().await.unwrap();
        assert_eq!((known(page.events), page.scanned_to.get()), (today(), 50));
        assert_eq!(events.position().get(), 50);
    }
}

#[tokio::test]
async fn a_page_of_the_log_is_decoded_likewise() {
    let store = store_of(former_account()).await;
    let page = store.read_all(ReadAll::after(GlobalPosition::START)).await.unwrap();
    let decoded = Recorded::<AccountEvent>::decode_all(page.events).unwrap();
    assert_eq!(decoded.iter().map(|event| (event.event.clone(), event.version.get())).collect::<Vec<_>>(), today());
}

#[tokio::test]
async fn an_unknown_type_fails_unless_told_otherwise_after_what_stands_before_it() {
    let mut events = subscribe(with_an_unknown_one(), of_accounts()).await;
    let page = events.next().await.unwrap();
    assert_eq!((known(page.events).len(), page.scanned_to.get(), page.more), (2, 29, true));
    for _ in 0..2 {
        let error = events.next().await.unwrap_err();
        let TypedReadError::Undecodable(undecodable) = &error else { panic!("{error:?}") };
        assert!(matches!(&undecodable.source, CodecError::UnknownType(name) if name == "account.frozen.v1"));
        assert_eq!(events.position().get(), 29, "it is never passed");
    }
}

#[tokio::test]
async fn an_unknown_type_is_passed_over_where_told() {
    let mut events = subscribe(with_an_unknown_one(), of_accounts()).await.unknown_types(UnknownTypes::Skip);
    let page = events.next().await.unwrap();
    let versions: Vec<_> = known(page.events).into_iter().map(|(_, version)| version).collect();
    assert_eq!((versions, page.scanned_to.get()), (vec![1, 2, 4, 4], 40));
}

#[tokio::test]
async fn an_unknown_type_is_kept_as_it_was_recorded_where_told() {
    let mut events = subscribe(with_an_unknown_one(), of_accounts()).await.unknown_types(UnknownTypes::KeepRaw);
    let page = events.next().await.unwrap();
    let versions: Vec<_> = page.events.iter().map(|event| event.raw().version.get()).collect();
    assert_eq!(versions, [1, 2, 3, 4, 4]);
    let unknown: Vec<_> =
        page.events.iter().filter(|event| matches!(event, Decoded::Unknown(_))).map(Decoded::raw).collect();
    assert_eq!((unknown.len(), unknown[0].payload.as_str()), (1, r#"{"why":"asked for"}"#));
}

#[tokio::test]
async fn a_known_type_that_cannot_be_decoded_is_never_passed_over() {
    for (event_type, payload) in [("account.withdrawn.v1", "{}"), ("account.corrected.v1", r#"{"wrong":1}"#)] {
        for unknown in [UnknownTypes::Fail, UnknownTypes::Skip, UnknownTypes::KeepRaw] {
            let broken = vec![recorded(1, event_type, payload)];
            assert!(Decoded::<AccountEvent>::decode_all(broken.clone(), unknown).is_err(), "{unknown:?}");
            let mut events = subscribe(broken, of_accounts()).await.unknown_types(unknown);
            assert!(events.next().await.unwrap().events.is_empty());
            assert!(matches!(events.next().await, Err(TypedReadError::Undecodable(_))), "{unknown:?}");
        }
    }
}

#[tokio::test]
async fn a_subscription_goes_on_with_what_is_appended_meanwhile() {
    let store = store_of(former_account()).await;
    let raw = store.subscribe(GlobalPosition::new(50), of_accounts()).await.unwrap();
    let mut events = TypedSubscription::<AccountEvent>::new(raw);
    let accounts = Repository::<Account>::new(store);
    let id = AccountId::new("ACC-001");
    let (page, done) = tokio::join!(events.next(), accounts.execute(&id, Withdraw { amount: 1 }));
    let page = page.unwrap();
    assert_eq!(known(page.events), [(AccountEvent::Withdrawn { amount: 1 }, 6)]);
    assert_eq!(page.scanned_to, done.unwrap().position);
}
