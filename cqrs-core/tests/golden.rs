//! What is written today is read for ever: a changed format shows here.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails is what it is for")]

use cqrs_core::{Metadata, read_json_lines, write_json_lines};
use cqrs_testkit::sample::{full_event, full_metadata};

const ENVELOPE: &str = include_str!("golden/envelope.jsonl");
const METADATA: &str = include_str!("golden/metadata.json");

#[test]
fn the_envelope_is_a_line_of_this_form() {
    let mut line = Vec::new();
    write_json_lines(&[full_event()], &mut line).unwrap();
    assert_eq!(String::from_utf8(line).unwrap(), ENVELOPE);
    let read: Vec<_> = read_json_lines(ENVELOPE.as_bytes()).collect::<Result<_, _>>().unwrap();
    assert_eq!(read, [full_event()]);
}

#[test]
fn metadata_has_this_form() {
    assert_eq!(serde_json::to_string_pretty(&full_metadata()).unwrap() + "\n", METADATA);
    assert_eq!(serde_json::from_str::<Metadata>(METADATA).unwrap(), full_metadata());
}
