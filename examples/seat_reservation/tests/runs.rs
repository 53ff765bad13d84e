//! The program, run as a user runs it: in memory, and twice on one file.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::process::Command;

fn said(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_seat_reservation")).args(arguments).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

fn assert_said(said: &str) {
    for expected in [
        "  40 seats are taken, by ",
        "times: the showing is sold out\n",
        "  bob wants seat 1      the seat is taken\n",
        "  ann wants seat 3      the customer has 2 seats already\n",
        "  bob wants seat 1      done\n",
        "all 17 figures are as they should be\n",
    ] {
        assert!(said.contains(expected), "{expected:?} is not in\n{said}");
    }
}

#[test]
fn in_memory_every_rule_is_kept() {
    assert_said(&said(&[]));
}

#[test]
fn on_a_file_every_rule_is_kept_also_by_the_next_run() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("seats.sqlite");
    for _ in 0..2 {
        assert_said(&said(&["--file", file.to_str().unwrap()]));
    }
}
