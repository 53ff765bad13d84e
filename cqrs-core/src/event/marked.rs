//! What derived events take from the fields that are marked in their definition.

use std::fmt::Display;

/// The personal data of one kind of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct PersonalFields {
    /// The event type.
    pub event_type: &'static str,
    /// The names of the fields in the payload, at its top level.
    pub fields: &'static [&'static str],
}

impl PersonalFields {
    /// These fields of this event type.
    #[must_use]
    pub const fn new(event_type: &'static str, fields: &'static [&'static str]) -> Self {
        Self { event_type, fields }
    }
}

/// Stands in front of `Display` for the sake of its message.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be part of a tag, nor name a person",
    label = "`Display` is missing",
    note = "mark a field whose type implements `Display`: a `String`, a number, an id"
)]
pub trait TagValue {
    /// `course:c1` for a value of kind `course`.
    fn tag(&self, kind: &str) -> String;

    /// As it is displayed.
    fn name(&self) -> String;
}

#[diagnostic::do_not_recommend]
impl<T: Display> TagValue for T {
    fn tag(&self, kind: &str) -> String {
        format!("{kind}:{self}")
    }

    fn name(&self) -> String {
        self.to_string()
    }
}
