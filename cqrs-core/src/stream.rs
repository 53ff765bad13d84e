//! Where an event stands: its version within a stream, its position in the whole log, and what a writer expects there.

use std::fmt;
use std::num::NonZeroU64;

use serde::de::{Deserialize, Deserializer, Error as _};

/// The place of an event within its stream, counted from 1; also the length of the stream after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Version(#[serde(deserialize_with = "within_range")] NonZeroU64);

impl Version {
    /// The version of a stream's first event.
    pub const FIRST: Self = Self(NonZeroU64::MIN);
    /// The largest version, 2^63 - 1, which is what databases can hold.
    pub const MAX: Self = Self(NonZeroU64::new(i64::MAX as u64).expect("i64::MAX is not zero"));

    /// The version `number`; `None` for 0 and for numbers above [`MAX`](Self::MAX).
    #[must_use]
    pub const fn new(number: u64) -> Option<Self> {
        match NonZeroU64::new(number) {
            Some(number) if number.get() <= i64::MAX as u64 => Some(Self(number)),
            _ => None,
        }
    }

    /// The number, from 1.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0.get()
    }

    /// The version after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        self.plus(1)
    }

    /// The version `count` events later, at most [`MAX`](Self::MAX).
    #[must_use]
    pub const fn plus(self, count: u64) -> Self {
        match Self::new(self.get().saturating_add(count)) {
            Some(version) => version,
            None => Self::MAX,
        }
    }

    /// The version of the first event that is appended to a stream whose newest event is at `head`.
    #[must_use]
    pub const fn after(head: Option<Self>) -> Self {
        match head {
            None => Self::FIRST,
            Some(head) => head.next(),
        }
    }

    /// The version before this one; `None` before the first.
    #[must_use]
    pub const fn previous(self) -> Option<Self> {
        Self::new(self.get() - 1)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The place of an event in the log of the whole store, counted from 1. Positions increase in commit order; there may be
/// holes between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct GlobalPosition(#[serde(deserialize_with = "within_range")] u64);

impl GlobalPosition {
    /// Before the first event.
    pub const START: Self = Self(0);
    /// The largest position, 2^63 - 1.
    pub const MAX: Self = Self(i64::MAX as u64);

    /// The position `number`; numbers above [`MAX`](Self::MAX) become it.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        if number > i64::MAX as u64 { Self::MAX } else { Self(number) }
    }

    /// The number; 0 is before the first event.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The position after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self::new(self.0 + 1)
    }

    /// The position before this one; [`START`](Self::START) stays.
    #[must_use]
    pub const fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

impl fmt::Display for GlobalPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A number that databases can hold.
fn within_range<'de, D: Deserializer<'de>, N: Deserialize<'de> + Copy + Into<u64>>(from: D) -> Result<N, D::Error> {
    let number = N::deserialize(from)?;
    if number.into() > i64::MAX as u64 {
        return Err(D::Error::custom("a version or position is 2^63 - 1 at most"));
    }
    Ok(number)
}

/// What a writer expects of a stream at the moment of its append.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExpectedVersion {
    /// Anything.
    Any,
    /// The stream has no event.
    NoStream,
    /// The stream has at least one event.
    StreamExists,
    /// The newest event of the stream has this version.
    Exact(Version),
}

impl ExpectedVersion {
    /// Exactly the state in which a stream was found: [`NoStream`](Self::NoStream) or [`Exact`](Self::Exact).
    #[must_use]
    pub const fn of(head: Option<Version>) -> Self {
        match head {
            None => Self::NoStream,
            Some(version) => Self::Exact(version),
        }
    }

    /// Whether a stream whose newest event is at `head` is as expected.
    #[must_use]
    pub fn holds(self, head: Option<Version>) -> bool {
        match self {
            Self::Any => true,
            Self::NoStream => head.is_none(),
            Self::StreamExists => head.is_some(),
            Self::Exact(version) => head == Some(version),
        }
    }
}

impl fmt::Display for ExpectedVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any version"),
            Self::NoStream => f.write_str("no stream"),
            Self::StreamExists => f.write_str("an existing stream"),
            Self::Exact(version) => write!(f, "version {version}"),
        }
    }
}
