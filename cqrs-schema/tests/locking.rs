//! A program that changes, and the lockfile of what it recorded.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails is what it is for")]

use std::collections::{BTreeMap, HashMap};

use cqrs_core::{DomainEvent, UpcastError, Upcasted};
use cqrs_schema::{EventSchema, Lock, LockError, Problem, Problems, Schemas};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// One definition of the account's events; `DEPOSITED` makes the sample of a deposit.
macro_rules! program {
    ($name:ident { $($body:tt)* }, $($deposited:tt)*) => {
        mod $name {
            #[allow(unused_imports, reason = "not every definition needs all")]
            use super::*;

            #[derive(Clone, Serialize, Deserialize, JsonSchema, DomainEvent)]
            #[event(domain = "account")]
            pub enum Event { $($body)* }

            pub fn events() -> EventSchema<Event> {
                EventSchema::of().sample($($deposited)*)
            }

            pub fn schemas() -> Schemas {
                Schemas::new().with(events())
            }
        }
    };
}

program!(first { Deposited { amount: i64 } }, Event::Deposited { amount: 500 });
program!(documented {
    /// Money came in.
    Deposited {
        /// In the smallest unit.
        amount: i64
    }
}, Event::Deposited { amount: 500 });
program!(with_note { Deposited { amount: i64, note: Option<String> } }, Event::Deposited { amount: 500, note: Some("rent".to_owned()) });
program!(with_default { Deposited { amount: i64, #[serde(default)] fee: u32 } }, Event::Deposited { amount: 500, fee: 7 });
program!(required { Deposited { amount: i64, currency: String } }, Event::Deposited { amount: 500, currency: "EUR".to_owned() });
program!(removed { Deposited {} }, Event::Deposited {});
program!(as_text { Deposited { amount: String } }, Event::Deposited { amount: "5.00".to_owned() });
program!(narrower { Deposited { amount: i32 } }, Event::Deposited { amount: 500 });
program!(renamed_badly { Deposited { #[serde(default)] cents: i64 } }, Event::Deposited { cents: 500 });
program!(renamed_well { Deposited { #[serde(alias = "amount")] cents: i64 } }, Event::Deposited { cents: 500 });
program!(raised { #[event(version = 2)] Deposited { amount: i64, currency: String } }, Event::Deposited { amount: 500, currency: "EUR".to_owned() });
program!(upcast { #[event(version = 2, upcast_from(1 = in_euro))] Deposited { amount: i64, currency: String } }, Event::Deposited { amount: 500, currency: "EUR".to_owned() });
program!(upcast_wrongly { #[event(version = 2, upcast_from(1 = unchanged))] Deposited { amount: i64, currency: String } }, Event::Deposited { amount: 500, currency: "EUR".to_owned() });
program!(other_name { PaidIn { amount: i64 } }, Event::PaidIn { amount: 500 });
program!(other_name_said { #[event(renamed_from("account.deposited"))] PaidIn { amount: i64 } }, Event::PaidIn { amount: 500 });
program!(two { Deposited { amount: i64 }, Closed }, Event::Deposited { amount: 500 });
program!(unordered { Deposited { amounts: HashMap<String, i64> } }, Event::Deposited { amounts: ["a", "b", "c", "d"].map(|key| (key.to_owned(), 1)).into() });

fn in_euro(mut event: Value) -> Result<Value, UpcastError> {
    event["currency"] = json!("EUR");
    Ok(event)
}

fn unchanged(event: Value) -> Result<Value, UpcastError> {
    Ok(event)
}

fn locked() -> Lock {
    first::schemas().lock(&Lock::default()).unwrap()
}

fn only(Problems(problems): Problems) -> Problem {
    let [problem] = problems.as_slice() else { panic!("{problems:?}") };
    problem.clone()
}

fn refused(schemas: &Schemas) -> String {
    let lock = locked();
    let problem = only(schemas.check(&lock).map_err(settled_apart).unwrap_err());
    assert_eq!(only(schemas.lock(&lock).unwrap_err()), problem, "what is refused is not locked away");
    problem.to_string()
}

/// Those that remain when everything new is locked.
fn settled_apart(Problems(problems): Problems) -> Problems {
    Problems(problems.into_iter().filter(|problem| !problem.is_settled_by_locking()).collect())
}

#[test]
fn what_is_locked_is_checked_without_complaint() {
    first::schemas().check(&locked()).unwrap();
    assert_eq!(locked().event_types().collect::<Vec<_>>(), ["account.deposited.v1"]);
}

#[test]
fn an_event_that_is_not_locked_is_to_be_locked() {
    let problem = only(first::schemas().check(&Lock::default()).unwrap_err());
    assert_eq!(
        problem.to_string(),
        "account.deposited.v1 is not locked as it is now: lock it (`CQRS_SCHEMA=lock cargo test`) and commit the lockfile with \
         the change"
    );
    assert!(problem.is_settled_by_locking());
}

#[test]
fn comments_change_nothing() {
    documented::schemas().check(&locked()).unwrap();
    assert_eq!(documented::schemas().lock(&locked()).unwrap(), locked());
}

#[test]
fn a_required_field_that_was_not_recorded_is_refused() {
    assert_eq!(
        refused(&required::schemas()),
        "account.deposited.v1 was recorded as {\"amount\":500}, which does not decode any more: cannot decode \
         account.deposited.v1: missing field `currency` at line 1 column 14: /currency is required, and was not always \
         written. Raise the version to 2 and add `upcast_from(1 = …)`, or give `currency` a default (`Option`, \
         `#[serde(default)]`)"
    );
}

#[test]
fn a_removed_field_is_refused_though_it_decodes() {
    assert_eq!(
        refused(&removed::schemas()),
        "account.deposited.v1 was recorded otherwise than it is read now: /amount was written, and is not read any more. \
         Raise the version to 2 and add `upcast_from(1 = …)`, or keep `amount`, under another name with `#[serde(alias = \
         \"amount\")]`"
    );
}

#[test]
fn a_renamed_field_with_a_default_loses_what_was_recorded_and_is_refused() {
    assert!(refused(&renamed_badly::schemas()).contains("/amount was written, and is not read any more"));
}

#[test]
fn a_renamed_field_that_is_read_under_its_old_name_is_locked_as_another_shape() {
    let schemas = renamed_well::schemas();
    let problem = only(schemas.check(&locked()).unwrap_err());
    assert!(problem.is_settled_by_locking(), "{problem}");
    let lock = schemas.lock(&locked()).unwrap();
    schemas.check(&lock).unwrap();
    assert!(removed::schemas().check(&lock).is_err() && first::schemas().check(&lock).is_err());
}

#[test]
fn a_field_of_another_kind_is_refused() {
    let said = refused(&as_text::schemas());
    assert!(said.contains("/amount was integer (int64), and is read as string"), "{said}");
    assert!(said.contains("expected a string"), "{said}");
}

#[test]
fn a_narrower_number_is_refused_though_the_sample_decodes() {
    let said = refused(&narrower::schemas());
    assert!(said.contains("/amount was integer (int64), and is read as integer (int32) only"), "{said}");
}

#[test]
fn a_field_that_may_be_absent_is_locked_beside_the_old_shape_and_the_lock_only_grows() {
    let schemas = with_note::schemas();
    let problem = only(schemas.check(&locked()).unwrap_err());
    assert!(problem.to_string().contains("(new: /note)"), "{problem}");
    let lock = schemas.lock(&locked()).unwrap();
    schemas.check(&lock).unwrap();
    let text = lock.to_text().unwrap();
    assert!(
        text.contains(r#""{\"amount\":500}""#) && text.contains(r#""{\"amount\":500,\"note\":\"rent\"}""#),
        "{text}"
    );

    // A third shape must read both of the others.
    let said = only(settled_apart(with_default::schemas().check(&lock).unwrap_err())).to_string();
    assert!(said.contains("/note was written, and is not read any more"), "{said}");
    with_default::schemas().lock(&locked()).unwrap();
}

#[test]
fn a_raised_version_needs_an_upcaster_that_works() {
    assert_eq!(
        refused(&raised::schemas()),
        "account.deposited.v1 was recorded and is not read any more: account.deposited.v2 is written now, add \
         `upcast_from(1 = …)` to it"
    );
    let said = refused(&upcast_wrongly::schemas());
    assert!(said.contains("missing field `currency`") && said.contains("Mend the upcasters"), "{said}");

    let lock = upcast::schemas().lock(&locked()).unwrap();
    upcast::schemas().check(&lock).unwrap();
    assert_eq!(lock.event_types().collect::<Vec<_>>(), ["account.deposited.v1", "account.deposited.v2"]);
}

#[test]
fn a_renamed_event_needs_its_former_name() {
    assert_eq!(
        refused(&other_name::schemas()),
        "account.deposited.v1 was recorded and is not read any more: add `renamed_from(\"account.deposited\")` to the event \
         that it is today, or else `retired(\"account.deposited.v1\" = …)` or `dropped(\"account.deposited.v1\")` to the \
         events that it belonged to"
    );
    let lock = other_name_said::schemas().lock(&locked()).unwrap();
    other_name_said::schemas().check(&lock).unwrap();
}

#[test]
fn a_written_event_without_a_sample_is_told() {
    assert_eq!(
        only(settled_apart(two::schemas().check(&Lock::default()).unwrap_err())).to_string(),
        "account.closed.v1 has no sample: add one by `.sample(…)` to the schema of locking::two::Event"
    );
    let whole = Schemas::new().with(two::events().sample(two::Event::Closed));
    whole.check(&whole.lock(&locked()).unwrap()).unwrap();
}

#[test]
fn history_before_the_lockfile_is_given_as_it_was_recorded() {
    let whole = || upcast::events().recorded("account.deposited.v1", r#"{"amount":7}"#);
    assert_eq!(upcast::schemas().unproven(&Lock::default()), ["account.deposited.v1"]);
    let lock = Schemas::new().with(whole()).lock(&Lock::default()).unwrap();
    upcast::schemas().check(&lock).unwrap();
    assert_eq!(upcast::schemas().unproven(&lock), Vec::<&str>::new());
    assert!(upcast_wrongly::schemas().check(&lock).is_err());

    let broken = Schemas::new().with(upcast::events().recorded("account.deposited.v1", "{}"));
    let Problems(problems) = broken.lock(&Lock::default()).unwrap_err();
    assert!(matches!(&problems[..], [Problem::BadSample { reason, .. }] if reason.contains("missing field `amount`")));
}

#[test]
fn the_text_of_a_lock_is_the_same_every_time_and_read_back_whole() {
    let text = locked().to_text().unwrap();
    assert_eq!(text, include_str!("golden/schema.lock"));
    assert_eq!(Lock::parse(&text).unwrap(), locked());
    let schemas = unordered::schemas();
    let lock = schemas.lock(&Lock::default()).unwrap();
    for _ in 0..20 {
        assert_eq!(unordered::schemas().lock(&lock).unwrap(), lock, "a map is written in another order each time");
        unordered::schemas().check(&lock).unwrap();
    }
}

#[test]
fn a_lockfile_is_read_and_written_and_none_locks_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("schema.lock");
    assert_eq!(Lock::read(&path).unwrap(), Lock::default());
    locked().write(&path).unwrap();
    assert_eq!(Lock::read(&path).unwrap(), locked());
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    assert!(matches!(Lock::parse("{}"), Err(LockError::Malformed(_))));
    assert!(matches!(Lock::parse(r#"{"format":2,"later":1}"#), Err(LockError::Format { found: 2 })));
}

/// Everything that a payload may be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, DomainEvent)]
#[serde(rename_all_fields = "camelCase")]
#[event(domain = "shop", retired("shop.merged.v1" = merged), dropped("shop.seen.v1"))]
enum ShopEvent {
    Ordered {
        lines: Vec<Line>,
        paid_by: Payment,
        ship_to: Option<Address>,
        notes: BTreeMap<String, Value>,
        tree: Tree,
    },
    Priced(i64),
    Moved(Address),
    Reviewed {
        stars: u8,
        by: (String, u8),
        at: f64,
    },
    Closed,
    Emptied {},
    #[event(nested)]
    Delivery(DeliveryEvent),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, DomainEvent)]
#[event(domain = "shop.delivery")]
enum DeliveryEvent {
    Sent { parcels: u16 },
    Returned,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
struct Line {
    sku: String,
    quantity: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
enum Payment {
    Cash,
    Card { number: String },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
struct Address {
    city: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
struct Tree {
    children: Vec<Tree>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, DomainEvent)]
#[event(domain = "card")]
struct Issued {
    number: u64,
}

fn merged(event: Value) -> Result<Vec<Upcasted>, UpcastError> {
    Ok(vec![Upcasted::new("shop.priced.v1", event["price"].clone()), Upcasted::new("shop.closed.v1", json!({}))])
}

fn shop() -> Schemas {
    let address = || Address { city: "Ulm".to_owned() };
    let ordered = |paid_by: Payment, ship_to| ShopEvent::Ordered {
        lines: vec![Line { sku: "A-1".to_owned(), quantity: 2 }],
        paid_by,
        ship_to,
        notes: BTreeMap::from([("gift".to_owned(), json!({ "wrapped": true }))]),
        tree: Tree { children: vec![Tree { children: Vec::new() }] },
    };
    Schemas::new()
        .with(
            EventSchema::of()
                .sample(ordered(Payment::Cash, None))
                .sample(ordered(Payment::Card { number: "1".to_owned() }, Some(address())))
                .sample(ShopEvent::Priced(5))
                .sample(ShopEvent::Moved(address()))
                .sample(ShopEvent::Reviewed { stars: 5, by: ("Ann".to_owned(), 1), at: 0.5 })
                .sample(ShopEvent::Closed)
                .sample(ShopEvent::Emptied {})
                .sample(ShopEvent::Delivery(DeliveryEvent::Sent { parcels: 2 }))
                .sample(ShopEvent::Delivery(DeliveryEvent::Returned))
                .recorded("shop.merged.v1", r#"{"price":7}"#)
                .recorded("shop.seen.v1", r#"{"by":1}"#),
        )
        .with(EventSchema::of().sample(Issued { number: 7 }))
}

#[test]
fn every_kind_of_event_can_be_locked() {
    let lock = shop().lock(&Lock::default()).unwrap();
    shop().check(&lock).unwrap();
    assert_eq!(shop().unproven(&lock), Vec::<&str>::new());
    assert_eq!(shop().lock(&lock).unwrap(), lock);
    assert_eq!(lock.schema("shop.priced.v1"), Some(&json!({ "type": "integer", "format": "int64" })));
    assert_eq!(lock.schema("shop.closed.v1"), Some(&json!({ "type": "object" })));
    assert_eq!(lock.schema("card.issued.v1").unwrap()["required"], json!(["number"]));
    assert_eq!(lock.schema("shop.delivery.sent.v1").unwrap()["required"], json!(["parcels"]));
    assert_eq!(lock.schema("shop.delivery.returned.v1"), Some(&json!({ "type": "object" })));
    assert_eq!(lock.schema("shop.merged.v1"), None);
    let ordered = lock.schema("shop.ordered.v1").unwrap();
    assert_eq!(ordered["properties"]["paidBy"]["oneOf"][0], json!({ "type": "string", "enum": ["Cash"] }));
    assert!(ordered["$defs"]["Tree"].is_object(), "{ordered}");
    let recorded = ["shop.seen.v1", "shop.paid.v1"].map(|name| cqrs_core::EventType::new(name).unwrap());
    assert_eq!(lock.missing(&recorded), [&recorded[1]]);
}
