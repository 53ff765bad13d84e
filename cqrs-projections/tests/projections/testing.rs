use std::sync::atomic::{AtomicI64, Ordering};

use cqrs_core::in_memory::InMemoryEventStore;
use cqrs_core::{DomainEvent, Recorded, write_json_lines};
use cqrs_projections::testing::{event, given, given_join, given_join_json_lines, given_json_lines};
use cqrs_projections::{JoinProjector, Lookups, ProjectError, Projector};
use serde::{Deserialize, Serialize};

use crate::ledger::{LedgerEvent, Noise, Sheet, Sheets};

fn paid(account: &str, amount: i64) -> cqrs_core::NewEvent {
    event(&format!("ledger-{account}"), &LedgerEvent::Paid { account: account.to_owned(), amount })
}

fn closed(account: &str) -> cqrs_core::NewEvent {
    event(&format!("ledger-{account}"), &LedgerEvent::Closed { account: account.to_owned() })
}

#[test]
fn events_become_documents() {
    let a = Sheet { balance: 5, events: 2, trail: 2 * 31 + 3 };
    given(Sheets, [paid("a", 2), paid("b", 1), event("noise-1", &Noise::Made), paid("a", 3), closed("b")])
        .then_document("a", &a)
        .then_no_document("b")
        .then_documents([("a", a)]);
}

#[test]
fn given_documents_are_folded_further() {
    given(Sheets, [paid("a", 2)])
        .given_document("a", &Sheet { balance: 10, events: 1, trail: 10 })
        .then_document("a", &Sheet { balance: 12, events: 2, trail: 312 });
}

#[test]
fn a_refused_event_is_an_error() {
    given(Sheets, [paid("a", 13)]).then_error("13 is refused");
}

#[test]
#[should_panic(expected = "from expected to found\n    /balance 0 -> 2\n    /events 0 -> 1\n")]
fn another_document_fails_the_test() {
    given(Sheets, [paid("a", 2)]).then_document("a", &Sheet::default());
}

#[test]
#[should_panic(expected = "there is no document \"b\"; there are [\"a\"]")]
fn a_missing_document_fails_the_test() {
    given(Sheets, [paid("a", 2)]).then_document("b", &Sheet::default());
}

#[test]
#[should_panic(expected = "every event was folded")]
fn a_missing_error_fails_the_test() {
    given(Sheets, [paid("a", 2)]).then_error("refused");
}

/// Remembers in itself what its document should remember.
struct Impure(AtomicI64);

impl Projector for Impure {
    type Event = LedgerEvent;
    type Document = i64;

    fn route(&self, _: &Recorded<LedgerEvent>, to: &mut Vec<String>) {
        to.push("count".to_owned());
    }

    fn project(&self, _: &Recorded<LedgerEvent>, _: &str, _: Option<i64>) -> Result<Option<i64>, ProjectError> {
        Ok(Some(self.0.fetch_add(1, Ordering::Relaxed)))
    }
}

#[test]
#[should_panic(
    expected = "the projector is not pure: from all events at once to when they come one by one, each twice\n    /count 1 -> 3\n"
)]
fn a_projector_that_is_not_pure_fails_the_test() {
    given(Impure(AtomicI64::new(0)), [paid("a", 2), paid("a", 3)]).then_document("count", &1);
}

/// Refuses what it has seen in another document before.
#[derive(Default)]
struct Jealous(AtomicI64);

impl Projector for Jealous {
    type Event = LedgerEvent;
    type Document = i64;

    fn route(&self, event: &Recorded<LedgerEvent>, to: &mut Vec<String>) {
        Sheets.route(event, to);
    }

    fn project(&self, _: &Recorded<LedgerEvent>, _: &str, _: Option<i64>) -> Result<Option<i64>, ProjectError> {
        match self.0.fetch_add(1, Ordering::Relaxed) {
            0 => Ok(Some(0)),
            _ => Err(ProjectError::new("seen before")),
        }
    }
}

#[test]
#[should_panic(expected = "when the events come one by one, each twice: ")]
fn an_event_that_is_refused_in_one_delivery_only_fails_the_test() {
    given(Jealous::default(), [paid("a", 2)]).then_document("a", &0);
}

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(domain = "guest")]
enum GuestEvent {
    Invited { host: String },
    Announced { host: String },
}

/// The guests of a host, by what the host announces. A guest is listed without a document being touched, unless it is told to.
struct Guests {
    touched: bool,
}

impl JoinProjector for Guests {
    type Event = GuestEvent;
    type Lookup = Vec<String>;
    type Document = u32;

    fn lookups(&self, event: &Recorded<GuestEvent>, to: &mut Vec<String>) {
        if let GuestEvent::Invited { host } = &event.event {
            to.push(host.clone());
        }
    }

    fn look_up(
        &self,
        event: &Recorded<GuestEvent>,
        _: &str,
        lookup: Option<Vec<String>>,
    ) -> Result<Option<Vec<String>>, ProjectError> {
        let mut guests = lookup.unwrap_or_default();
        guests.push(event.stream.id().to_owned());
        Ok(Some(guests))
    }

    fn route(&self, event: &Recorded<GuestEvent>, lookups: &Lookups<'_, Vec<String>>, to: &mut Vec<String>) {
        match &event.event {
            GuestEvent::Invited { .. } if self.touched => to.push(event.stream.id().to_owned()),
            GuestEvent::Invited { .. } => {}
            GuestEvent::Announced { host } => {
                to.extend(lookups.get(host).iter().flat_map(|guests| guests.iter().cloned()));
            }
        }
    }

    fn project(
        &self,
        event: &Recorded<GuestEvent>,
        _: &str,
        heard: Option<u32>,
        _: &Lookups<'_, Vec<String>>,
    ) -> Result<Option<u32>, ProjectError> {
        let heard = heard.unwrap_or_default();
        Ok(Some(heard + u32::from(matches!(event.event, GuestEvent::Announced { .. }))))
    }
}

fn party() -> [cqrs_core::NewEvent; 2] {
    let host = "ann".to_owned();
    [
        event("guest-all", &GuestEvent::Announced { host: host.clone() }),
        event("guest-bob", &GuestEvent::Invited { host }),
    ]
}

#[test]
fn a_join_that_keeps_its_contract_passes() {
    given_join(Guests { touched: true }, party()).then_documents([("bob", 0)]);
}

#[test]
#[should_panic(
    expected = "an event makes a lookup list a document and does not touch the document: from all events at once to when \
                they come in batches, each twice\n    /bob 1 added\n"
)]
fn a_join_that_breaks_its_contract_fails_the_test() {
    given_join(Guests { touched: false }, party()).then_no_document("bob");
}

/// A log, as it is exported.
async fn exported(events: impl IntoIterator<Item = cqrs_core::NewEvent>) -> Vec<u8> {
    let store = InMemoryEventStore::new();
    crate::ledger::append(&store, events.into_iter().collect()).await;
    let mut lines = Vec::new();
    write_json_lines(&crate::ledger::log(&store).await, &mut lines).unwrap();
    lines
}

#[tokio::test]
async fn recorded_events_are_folded_as_they_were_recorded() {
    let a = Sheet { balance: 5, events: 2, trail: 2 * 31 + 3 };
    let lines = exported([paid("a", 2), event("noise-1", &Noise::Made), paid("a", 3)]).await;
    given_json_lines(Sheets, &lines[..]).then_documents([("a", a)]);
    given_join_json_lines(Guests { touched: true }, &exported(party()).await[..]).then_documents([("bob", 0)]);
}

#[tokio::test]
#[should_panic(expected = "the event at position 1 stands after that at position 1")]
async fn recorded_events_out_of_order_are_refused() {
    let lines = exported([paid("a", 2)]).await.repeat(2);
    let _ = given_json_lines(Sheets, &lines[..]);
}

#[test]
#[should_panic(expected = "line 2 is no event: ")]
fn a_line_that_is_no_event_is_refused() {
    let _ = given_json_lines(Sheets, "\nnonsense".as_bytes());
}
