//! What differs, line by line.

use std::fmt::Debug;

use similar::TextDiff;

/// The place, from 0, of the first event that one side does not have or has otherwise.
pub(super) fn first_difference<E: PartialEq>(expected: &[E], actual: &[E]) -> Option<usize> {
    let same = expected.iter().zip(actual).take_while(|(expected, actual)| expected == actual).count();
    (same < expected.len().max(actual.len())).then_some(same)
}

/// Each event from a line of its own on.
pub(super) fn lines<E: Debug>(events: &[E]) -> String {
    if events.is_empty() {
        return "    nothing\n".to_owned();
    }
    let texts = events.iter().map(|event| format!("{event:#?}\n"));
    texts.flat_map(|text| text.lines().map(|line| format!("    {line}\n")).collect::<Vec<_>>()).collect()
}

/// Both texts in one, with what only one of them has marked.
pub(super) fn difference(expected: &str, actual: &str) -> String {
    if expected == actual {
        return format!(
            "{actual}which look alike and are not equal: `Debug` does not show all that `PartialEq` compares"
        );
    }
    let difference = TextDiff::from_lines(expected, actual);
    difference.iter_all_changes().map(|change| format!("{} {change}", change.tag())).collect()
}
