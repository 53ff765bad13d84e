//! The lockfile: every event type that was ever recorded, as it was recorded.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The format that is written.
const FORMAT: u32 = 1;

/// Every event type with the shapes that it was recorded in, and samples of each. It only grows: what was locked once stays
/// locked, byte for byte, as events stay in the log.
///
/// Its text is JSON with one key for each event type, in order, made to be reviewed with the change that caused it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lock {
    format: u32,
    pub(crate) events: BTreeMap<String, LockedEvent>,
}

impl Default for Lock {
    fn default() -> Self {
        Self { format: FORMAT, events: BTreeMap::new() }
    }
}

/// An event type: what may have been recorded under it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct LockedEvent {
    /// In the order in which they came up.
    pub(crate) shapes: Vec<Shape>,
}

/// A JSON Schema, and payloads that were written under it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Shape {
    /// None where only payloads are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) schema: Option<Value>,
    /// As text, so that every byte is kept.
    pub(crate) samples: Vec<String>,
}

/// Why a lockfile could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// Reading or writing failed.
    #[error("{} could not be read or written", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file holds something else.
    #[error("the lockfile is malformed")]
    Malformed(#[from] serde_json::Error),
    /// A newer version of this library has written it.
    #[error("the lockfile has format {found}, this version reads {FORMAT}: use a newer one")]
    Format {
        /// The format of the file.
        found: u32,
    },
}

impl Lock {
    /// Reads the text of a lockfile.
    ///
    /// # Errors
    /// [`LockError::Malformed`] and [`LockError::Format`].
    pub fn parse(text: &str) -> Result<Self, LockError> {
        #[derive(Deserialize)]
        struct Header {
            format: u32,
        }
        let Header { format: found } = serde_json::from_str(text)?;
        if found != FORMAT {
            return Err(LockError::Format { found });
        }
        Ok(serde_json::from_str(text)?)
    }

    /// The text of the lockfile: the same for the same lock, on every machine.
    ///
    /// # Errors
    /// [`LockError::Malformed`], which does not happen: all keys are text.
    pub fn to_text(&self) -> Result<String, LockError> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// Reads a lockfile; one that is not there yet locks nothing.
    ///
    /// # Errors
    /// [`LockError`] when it cannot be read.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, LockError> {
        let path = path.as_ref();
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(&text),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Self::default()),
            Err(source) => Err(LockError::Io { path: path.to_owned(), source }),
        }
    }

    /// Writes the lockfile, the whole of it or nothing.
    ///
    /// # Errors
    /// [`LockError::Io`] when it cannot be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<(), LockError> {
        let path = path.as_ref();
        let beside = path.with_extension("lock.new");
        let written = std::fs::write(&beside, self.to_text()?).and_then(|()| std::fs::rename(&beside, path));
        written.map_err(|source| LockError::Io { path: path.to_owned(), source })
    }

    /// The event types that are locked, in order.
    pub fn event_types(&self) -> impl Iterator<Item = &str> {
        self.events.keys().map(String::as_str)
    }

    /// The newest JSON Schema of an event type, where one is known: what its events are written in.
    #[must_use]
    pub fn schema(&self, event_type: &str) -> Option<&Value> {
        self.events.get(event_type)?.shapes.iter().rev().find_map(|shape| shape.schema.as_ref())
    }

    /// The recorded event types that are not locked: nobody has checked that they decode.
    pub fn missing<'a>(
        &self,
        recorded: impl IntoIterator<Item = &'a cqrs_core::EventType>,
    ) -> Vec<&'a cqrs_core::EventType> {
        recorded.into_iter().filter(|event_type| !self.events.contains_key(event_type.as_str())).collect()
    }
}
