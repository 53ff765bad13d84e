//! Intervals of time.

use std::time::Duration;

use serde_json::{Map, Value, json};

/// Intervals of time that dates are counted by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DateInterval {
    length: Length,
    time_zone: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Length {
    Calendar(CalendarUnit),
    Fixed(Duration),
}

/// An interval of the calendar, as long as it is at the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CalendarUnit {
    /// A minute.
    Minute,
    /// An hour.
    Hour,
    /// A day, from midnight.
    Day,
    /// A week, from Monday.
    Week,
    /// A month, from the first.
    Month,
    /// Three months, from January, April, July and October.
    Quarter,
    /// A year.
    Year,
}

impl DateInterval {
    /// Intervals of the calendar, in UTC unless told.
    #[must_use]
    pub const fn calendar(unit: CalendarUnit) -> Self {
        Self { length: Length::Calendar(unit), time_zone: None }
    }

    /// Intervals of the same length, from a millisecond, in whole ones.
    #[must_use]
    pub const fn fixed(length: Duration) -> Self {
        Self { length: Length::Fixed(length), time_zone: None }
    }

    /// Intervals that begin by the clocks of a place: `Asia/Ho_Chi_Minh`, `+07:00`.
    #[must_use]
    pub fn time_zone(self, zone: impl Into<String>) -> Self {
        Self { time_zone: Some(zone.into()), ..self }
    }

    pub(super) fn is_below(&self, shortest: Duration) -> bool {
        matches!(self.length, Length::Fixed(length) if length < shortest)
    }

    pub(super) fn body(&self) -> Map<String, Value> {
        let (kind, length) = match self.length {
            Length::Calendar(unit) => ("calendar_interval", unit.name().to_owned()),
            Length::Fixed(length) => ("fixed_interval", format!("{}ms", length.as_millis())),
        };
        let zone = self.time_zone.as_ref().map(|zone| ("time_zone".to_owned(), json!(zone)));
        [(kind.to_owned(), json!(length))].into_iter().chain(zone).collect()
    }
}

impl CalendarUnit {
    const fn name(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Quarter => "quarter",
            Self::Year => "year",
        }
    }
}
