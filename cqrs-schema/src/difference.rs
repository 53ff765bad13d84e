//! What keeps a reader from reading what a writer wrote.

use std::fmt;

use serde_json::Value;

/// A difference between what was written and what is read.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Difference {
    /// Where in the document: a JSON pointer (RFC 6901), with `*` for each item of a list and each value of a map.
    pub pointer: String,
    /// What is different there.
    pub change: Change,
}

/// What is different.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Change {
    /// The reader needs the field, which was not always written.
    Missing,
    /// The field was written, and the reader passes over it. It reads the rest.
    NotRead,
    /// The field was written, and the reader refuses fields that it does not know.
    Refused,
    /// Something of another kind was written than is read.
    Kind {
        /// What was written.
        written: String,
        /// What is read.
        read: String,
    },
    /// Values were written that the reader does not know.
    Values(Vec<Value>),
    /// More was written than the reader takes: larger numbers, longer lists or texts, say.
    Narrower {
        /// What was written.
        written: String,
        /// What is read.
        read: String,
    },
}

impl Difference {
    /// Whether a document may not be read at all because of it; else something of it is passed over.
    #[must_use]
    pub const fn breaks(&self) -> bool {
        !matches!(self.change, Change::NotRead)
    }

    /// The pointer of what the field belongs to, and its name.
    pub(crate) fn field(&self) -> (&str, &str) {
        self.pointer.rsplit_once('/').unwrap_or(("", &self.pointer))
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = if self.pointer.is_empty() { "the payload" } else { &self.pointer };
        match &self.change {
            Change::Missing => write!(f, "{at} is required, and was not always written"),
            Change::NotRead => write!(f, "{at} was written, and is not read any more"),
            Change::Refused => write!(f, "{at} was written, and is refused as unknown"),
            Change::Kind { written, read } => write!(f, "{at} was {written}, and is read as {read}"),
            Change::Values(values) => {
                let values: Vec<String> = values.iter().map(ToString::to_string).collect();
                write!(f, "{at} was written with {}, which is unknown now", values.join(", "))
            }
            Change::Narrower { written, read } => write!(f, "{at} was {written}, and is read as {read} only"),
        }
    }
}
