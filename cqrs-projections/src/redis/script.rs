//! The Lua scripts, and their answers.

use std::sync::LazyLock;

use cqrs_core::{FencingToken, Generation, GlobalPosition, ReadModelError};
use redis::Script;

macro_rules! scripts {
    ($($name:ident = $($file:literal)+;)*) => {
        $(pub(super) static $name: LazyLock<Script> =
            LazyLock::new(|| Script::new(concat!($(include_str!($file)),+)));)*
    };
}

scripts! {
    OPEN = "lua/open.lua";
    LIVE = "lua/live.lua";
    BEGIN = "lua/begin.lua";
    SWAP = "lua/swap.lua";
    ADMIT = "lua/admit.lua";
    ANNOTATE = "lua/annotate.lua";
    DROP = "lua/drop.lua";
    FENCE = "lua/fence.lua";
    LEASE = "lua/lease.lua";
    FILL = "lua/before.lua" "lua/fill.lua";
    INVALIDATE = "lua/before.lua" "lua/invalidate.lua";
    APPLY = "lua/slices.lua" "lua/derive.lua" "lua/apply.lua";
}

/// What a script answers: a word, and what belongs to it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// It is done.
    Ok(Vec<String>),
    /// There is no such generation; from a script on a partition: nobody has written to that partition yet.
    Unknown,
    /// The partition belongs to a generation that was dropped.
    Dropped,
    /// The generation is live.
    Live,
    /// A token at least as new as the offered one is stored.
    Fenced(FencingToken),
    /// The checkpoint stands elsewhere.
    Sequence(GlobalPosition),
    /// The key of this document holds another type.
    Refused { key: String, kind: String },
    /// What this document contributes to other structures cannot be written.
    Derived { key: String, reason: String },
    /// A key of the read model itself holds another type.
    Type { key: String, kind: String },
}

impl TryFrom<Vec<String>> for Reply {
    type Error = ReadModelError;

    fn try_from(words: Vec<String>) -> Result<Self, ReadModelError> {
        let corrupt = || ReadModelError::Corrupt { what: "a script gave an unknown answer".to_owned() };
        let mut words = words.into_iter();
        let word = words.next().ok_or_else(corrupt)?;
        let mut next = || words.next().ok_or_else(corrupt);
        Ok(match word.as_str() {
            "ok" => Self::Ok(words.collect()),
            "unknown" => Self::Unknown,
            "dropped" => Self::Dropped,
            "live" => Self::Live,
            "fenced" => Self::Fenced(FencingToken::new(number(&next()?)?)),
            "sequence" => Self::Sequence(GlobalPosition::new(number(&next()?)?)),
            "refused" => Self::Refused { key: next()?, kind: next()? },
            "derived" => Self::Derived { key: next()?, reason: next()? },
            "type" => Self::Type { key: next()?, kind: next()? },
            _ => return Err(corrupt()),
        })
    }
}

impl Reply {
    /// The error that a script's refusal is, whatever script it was.
    pub(super) fn refusal(self, generation: Generation, offered: FencingToken, from: GlobalPosition) -> ReadModelError {
        match self {
            Self::Unknown | Self::Dropped => ReadModelError::NotFound { generation },
            Self::Live => ReadModelError::Live { generation },
            Self::Fenced(stored) => ReadModelError::Fenced { stored, offered },
            Self::Sequence(actual) => ReadModelError::OutOfSequence { from, actual },
            Self::Refused { key, kind } => {
                ReadModelError::Rejected { key, reason: format!("its Redis key holds a {kind}, not a string") }
            }
            Self::Derived { key, reason } => ReadModelError::Rejected { key, reason },
            Self::Type { key, kind } => ReadModelError::Corrupt { what: format!("the Redis key {key:?} is a {kind}") },
            Self::Ok(_) => ReadModelError::Corrupt { what: "a script gave an unexpected answer".to_owned() },
        }
    }
}

/// A whole number that a key holds.
pub(super) fn number(text: &str) -> Result<u64, ReadModelError> {
    text.parse().map_err(|_| ReadModelError::Corrupt { what: format!("{text:?} instead of a number") })
}
