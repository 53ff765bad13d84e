//! Days and the moments at which they begin and end, in UTC.

use cqrs_core::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::Offset;

const DAY_MICROS: i64 = 24 * 60 * 60 * 1_000_000;

/// The moment at which a day begins; `None` for a day that has none in the range of [`Timestamp`].
pub fn midnight(day: Date) -> Option<Timestamp> {
    let moment = Offset::UTC.to_timestamp(day.to_datetime(Time::midnight())).ok()?;
    Some(Timestamp::from(moment)).filter(|moment| day_of(*moment) == day)
}

/// The last moment of the day that begins at `midnight`.
pub fn end_of_day(midnight: Timestamp) -> Timestamp {
    midnight.plus_micros(DAY_MICROS - 1)
}

/// The day to which a moment belongs.
pub fn day_of(moment: Timestamp) -> Date {
    Offset::UTC.to_datetime(moment.into()).date()
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn a_day_lasts_from_midnight_to_the_last_moment_before_the_next() {
        let begin = midnight(date(1997, 1, 31)).unwrap();
        assert_eq!(begin.to_string(), "1997-01-31T00:00:00Z");
        assert_eq!(end_of_day(begin).to_string(), "1997-01-31T23:59:59.999999Z");
        assert_eq!(day_of(begin), date(1997, 1, 31));
        assert_eq!(day_of(end_of_day(begin)), date(1997, 1, 31));
    }

    #[test]
    fn a_day_outside_of_the_range_has_no_midnight() {
        assert_eq!(midnight(date(0, 12, 31)), None);
        assert_eq!(midnight(date(9999, 12, 31)), None);
    }
}
