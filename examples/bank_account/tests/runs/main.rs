//! The program, run as a user runs it: in memory, and on the real services.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use showcase::place::{Program, log, said};

const BANK: Program = Program::new(env!("CARGO_BIN_EXE_bank_account"), "BANK_ACCOUNT_SCHEMA");

/// What every first run says, whatever it runs on.
const SAID: [&str; 12] = [
    "  1  2024-01-01T09:00:00Z  teller-7    account opened              account.opened.v1             /status \"inactive\" -> \"active\"\n",
    "  5  2024-01-15T00:00:00Z  interest    monthly interest            account.interest_credited.v1  /balance 1200000 -> 1500000\n",
    "  by 01-14, as known at the third      1,500,000 VND\n",
    "  occurred by 2023-12-31               not there yet\n",
    "  occurred by 2024-01-14T14:00Z        1,200,000 VND\n",
    "  version 3                            1,500,000 VND\n",
    "  recorded by 2024-01-14T14:00Z        not there yet\n",
    "  recorded by the third entry          1,500,000 VND\n",
    "  ACC-001  2024-01-15T00:00:00Z  monthly interest              1,500,000 VND  active",
    "  ACC-002  2024-02-05T09:00:00Z  second deposit                    1,200 VND  active",
    "  version 250   31,125,000 VND  folded from the snapshot at 2",
    "figures are as they should be\n",
];

fn assert_said(said: &str) {
    for expected in SAID {
        assert!(said.contains(expected), "{expected:?} is not in\n{said}");
    }
}

#[tokio::test]
async fn in_memory_every_balance_is_right() {
    let said = said(BANK.alone().output().await.unwrap());
    assert_said(&said);
    assert!(
        said.contains("  ACC-003  2024-01-31T16:10:00Z  account closed                        0 VND  closed\n"),
        "{said}"
    );
}

#[tokio::test]
async fn on_the_services_every_balance_is_right_and_nobody_can_change_the_past() {
    BANK.in_place(async |place| {
        let said = said(place.program().output().await.unwrap());
        assert_said(&said);
        let refused = said.matches("    events are never changed: ").count();
        assert_eq!(refused, 3, "{said}");
        assert!(said.contains("    events are written by append_events only"), "{said}");
    })
    .await;
}

#[tokio::test]
async fn run_again_it_books_nothing_twice() {
    BANK.in_place(async |place| {
        said(place.program().output().await.unwrap());
        let events = log(&place.store().await).await;
        let again = said(place.program().output().await.unwrap());
        assert!(again.contains(" (was booked before)\n"), "{again}");
        assert!(again.contains("  occurred by 2024-01-14T14:00Z        1,200,000 VND\n"), "{again}");
        assert_eq!(log(&place.store().await).await, events);
    })
    .await;
}

#[tokio::test]
async fn documents_that_last_are_refused_without_events_that_last() {
    let output = BANK.alone().env("ELASTICSEARCH_URL", "http://127.0.0.1:1").output().await.unwrap();
    assert!(!output.status.success());
    let expected = "error: documents that last need events that last: set DATABASE_URL as well\n";
    assert_eq!(String::from_utf8_lossy(&output.stderr), expected);
}
