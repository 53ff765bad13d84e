//! What a generation is for: the note that a read model keeps with it.

use serde::{Deserialize, Serialize};

use crate::as_of::KeptNote;
use crate::rebuild::FilledBy;

/// What a generation is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Note {
    /// To be the next live one.
    Rebuild(FilledBy),
    /// It is the live one, or was: nothing to go on with.
    Live,
    /// To be kept beside it, whatever is rebuilt.
    Kept(KeptNote),
}

impl Note {
    /// `None` for one that was written by something else.
    pub(crate) fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    pub(crate) fn write(&self) -> String {
        serde_json::to_string(self).expect("a note holds texts and numbers only")
    }
}
