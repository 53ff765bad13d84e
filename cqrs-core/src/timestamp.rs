//! Moments in UTC, in whole microseconds: what every store can keep exactly.

use std::fmt;
use std::str::FromStr;

/// A moment in UTC, in whole microseconds since 1970-01-01T00:00:00Z. Finer parts are cut off when it is made, so that a
/// moment read back from a store equals the one written.
///
/// Written and read as RFC 3339: `2024-01-14T14:00:00Z`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(i64);

/// A text that is no moment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid timestamp {value:?}: {reason}")]
pub struct InvalidTimestamp {
    /// The refused text.
    pub value: String,
    /// What is wrong with it.
    pub reason: String,
}

impl Timestamp {
    /// The earliest moment, 0001-01-01T00:00:00Z: every store can keep it.
    pub const MIN: Self = Self(-62_135_596_800_000_000);
    /// The latest moment, 9999-12-30T22:00:00.999999Z: the latest that has a local time everywhere.
    pub const MAX: Self = Self(253_402_207_200_999_999);

    /// The present, by this machine's clock.
    #[must_use]
    pub fn now() -> Self {
        Self(jiff::Timestamp::now().as_microsecond())
    }

    /// The moment so many microseconds after (before, when negative) 1970-01-01T00:00:00Z, within [`MIN`](Self::MIN) and
    /// [`MAX`](Self::MAX).
    #[must_use]
    pub fn from_micros(micros: i64) -> Self {
        Self(micros.clamp(Self::MIN.0, Self::MAX.0))
    }

    /// Microseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// The moment so many microseconds later.
    #[must_use]
    pub fn plus_micros(self, micros: i64) -> Self {
        Self::from_micros(self.0.saturating_add(micros))
    }
}

impl From<jiff::Timestamp> for Timestamp {
    fn from(moment: jiff::Timestamp) -> Self {
        // Nanoseconds are cut off towards the past, before 1970 as well.
        let micros = moment.as_nanosecond().div_euclid(1_000);
        Self::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
    }
}

impl From<Timestamp> for jiff::Timestamp {
    fn from(moment: Timestamp) -> Self {
        // Nanoseconds, since jiff takes no microseconds of its last second.
        jiff::Timestamp::from_nanosecond(i128::from(moment.0) * 1_000).unwrap_or(jiff::Timestamp::MAX)
    }
}

impl FromStr for Timestamp {
    type Err = InvalidTimestamp;

    fn from_str(text: &str) -> Result<Self, InvalidTimestamp> {
        text.parse::<jiff::Timestamp>()
            .map(Self::from)
            .map_err(|error| InvalidTimestamp { value: text.chars().take(80).collect(), reason: error.to_string() })
    }
}

impl TryFrom<&str> for Timestamp {
    type Error = InvalidTimestamp;

    fn try_from(text: &str) -> Result<Self, InvalidTimestamp> {
        text.parse()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&jiff::Timestamp::from(*self), f)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl serde::Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_survives_text_and_is_cut_to_microseconds() {
        let moment: Timestamp = "2024-01-14T14:00:00.123456789Z".parse().unwrap();
        assert_eq!(moment.to_string(), "2024-01-14T14:00:00.123456Z");
        assert_eq!(moment.to_string().parse::<Timestamp>().unwrap(), moment);
    }

    #[test]
    fn the_bounds_are_what_they_say() {
        assert_eq!(Timestamp::MIN.to_string(), "0001-01-01T00:00:00Z");
        assert_eq!(Timestamp::MAX.to_string(), "9999-12-30T22:00:00.999999Z");
        assert_eq!(Timestamp::MAX, jiff::Timestamp::MAX.into());
    }

    #[test]
    fn an_offset_is_turned_into_utc() {
        let moment: Timestamp = "2024-01-14T21:00:00+07:00".parse().unwrap();
        assert_eq!(moment.to_string(), "2024-01-14T14:00:00Z");
    }

    #[test]
    fn a_text_that_is_no_moment_is_refused() {
        assert!("2024-13-01T00:00:00Z".parse::<Timestamp>().is_err());
        assert!("2024-01-14".parse::<Timestamp>().is_err());
    }
}
