use std::sync::atomic::{AtomicI64, Ordering};

use cqrs_core::Recorded;
use cqrs_projections::testing::{event, given};
use cqrs_projections::{ProjectError, Projector};

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
#[should_panic(expected = "document \"a\": expected")]
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

/// Counts in itself what it should count in its document.
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
#[should_panic(expected = "the projector is not pure")]
fn a_projector_that_is_not_pure_fails_the_test() {
    given(Impure(AtomicI64::new(0)), [paid("a", 2), paid("a", 3)]).then_document("count", &1);
}
