//! The program, run as a user runs it: in memory, and on the real services.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use showcase::place::{Program, log, said};

const SIGN_UP: Program = Program::new(env!("CARGO_BIN_EXE_user_sign_up"), "USER_SIGN_UP_SCHEMA");

/// What every run with 2,000 old users says, whatever it runs on.
const SAID: [&str; 6] = [
    "      2,000 users without an address, as user.created.v1\n",
    " is held by user-ann\n",
    "  directory and sign-ups go on, welcome-mail tries again\n",
    "      1,001 had signed up when user 1000 did\n",
    "      2,005 events rebuilt into the same documents, and no mail sent\n",
    "figures are as they should be\n",
];

fn assert_said(said: &str) {
    for expected in SAID {
        assert!(said.contains(expected), "{expected:?} is not in\n{said}");
    }
}

#[tokio::test]
async fn in_memory_every_figure_is_right() {
    assert_said(&said(SIGN_UP.alone().args(["--old-users", "2000"]).output().await.unwrap()));
}

#[tokio::test]
async fn on_the_services_every_figure_is_right_and_a_second_run_adds_nothing() {
    SIGN_UP
        .in_place(async |place| {
            assert_said(&said(place.program().args(["--old-users", "2000"]).output().await.unwrap()));
            let events = log(&place.store().await).await;
            assert_eq!(events.len(), 2_005);
            assert_said(&said(place.program().args(["--old-users", "2000"]).output().await.unwrap()));
            assert_eq!(log(&place.store().await).await, events);
        })
        .await;
}
