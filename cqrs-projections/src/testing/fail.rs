//! How a test fails.

use std::fmt::Display;

use cqrs_core::ValueDifference;
use serde::Serialize;
use serde_json::Value;

/// How many values that differ are listed.
const LISTED: usize = 20;

/// Fails with the values that differ, and both sides.
#[track_caller]
pub(super) fn same<T: PartialEq + Serialize>(what: &str, found: &T, expected: &T) {
    if found != expected {
        let text = |value: &T| serde_json::to_string_pretty(value).unwrap_or_default();
        let differences = differences(expected, found);
        fail(&format!(
            "{what}: expected\n{}\nbut found\n{}\nfrom expected to found\n{differences}",
            text(expected),
            text(found)
        ))
    }
}

/// What differs, a line for each value.
pub(super) fn differences<T: Serialize>(before: &T, after: &T) -> String {
    let value = |value: &T| serde_json::to_value(value).unwrap_or(Value::Null);
    let found = ValueDifference::between(&value(before), &value(after), LISTED + 1);
    let more = if found.len() > LISTED { "    and more\n" } else { "" };
    found.iter().take(LISTED).map(|difference| format!("    {difference}\n")).chain([more.to_owned()]).collect()
}

/// An error with all its causes.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |&error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

#[track_caller]
pub(super) fn ok<T, E: Display>(result: Result<T, E>, what: &str) -> T {
    match result {
        Ok(value) => value,
        Err(error) => fail(&format!("{what}: {error}")),
    }
}

#[track_caller]
#[allow(clippy::panic, reason = "tests fail by panicking")]
pub(super) fn fail(what: &str) -> ! {
    panic!("{what}")
}
