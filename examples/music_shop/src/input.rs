//! The purchase history as text: `customer_id date number_of_cds dollar_value`, a line for each purchase.

use std::str;

use cqrs_core::Timestamp;
use jiff::civil::Date;

use crate::calendar::midnight;
use crate::customer::{CustomerId, Purchase};

/// The lines of a purchase history.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Input {
    /// Those that can be read, ordered by customer and day, otherwise as they stand in the file.
    pub lines: Vec<Line>,
    /// Those that cannot.
    pub malformed: Vec<Malformed>,
}

/// A purchase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// Where it stands in the file, from 1.
    pub number: usize,
    pub customer: CustomerId,
    pub day: Date,
    /// The beginning of the day.
    pub occurred_at: Timestamp,
    pub purchase: Purchase,
}

/// A line that is no purchase.
#[derive(Debug, PartialEq, Eq)]
pub struct Malformed {
    /// Where it stands in the file, from 1.
    pub number: usize,
    pub reason: Reason,
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    #[error("it is no text in UTF-8")]
    NoText,
    #[error("it has {0} columns instead of 4")]
    Columns(usize),
    #[error("{0:?} is no customer id")]
    Customer(String),
    #[error("{0:?} is no day (YYYYMMDD)")]
    Day(String),
    #[error("{0:?} is no number of CDs")]
    Cds(String),
    #[error("{0:?} is no amount in dollars with two decimals")]
    Dollars(String),
}

/// Reads a purchase history. A header is passed over, and so are empty lines; lines end with LF or CRLF.
pub fn parse(text: &[u8]) -> Input {
    let mut input = Input::default();
    for (index, line) in text.split(|byte| *byte == b'\n').enumerate() {
        let number = index + 1;
        match parse_line(number, line) {
            Ok(line) => input.lines.extend(line),
            Err(reason) => input.malformed.push(Malformed { number, reason }),
        }
    }
    // The sort is stable: purchases of one customer on one day keep their order.
    input.lines.sort_by_key(|line| (line.customer, line.day));
    input
}

fn parse_line(number: usize, line: &[u8]) -> Result<Option<Line>, Reason> {
    let line = str::from_utf8(line).map_err(|_| Reason::NoText)?;
    let columns: Vec<&str> = line.split_ascii_whitespace().collect();
    match columns[..] {
        [] => Ok(None),
        ["customer_id", ..] if number == 1 => Ok(None),
        [customer, day, cds, dollars] => {
            let customer = whole(customer).map(CustomerId).ok_or_else(|| Reason::Customer(short(customer)))?;
            let (day, occurred_at) = parse_day(day).ok_or_else(|| Reason::Day(short(day)))?;
            let cds = whole(cds).ok_or_else(|| Reason::Cds(short(cds)))?;
            let cents = parse_cents(dollars).ok_or_else(|| Reason::Dollars(short(dollars)))?;
            Ok(Some(Line { number, customer, day, occurred_at, purchase: Purchase { cds, cents } }))
        }
        _ => Err(Reason::Columns(columns.len())),
    }
}

fn parse_day(text: &str) -> Option<(Date, Timestamp)> {
    let number = whole(text).filter(|_| text.len() == 8)?;
    let (year, month, day) = (number / 10_000, number / 100 % 100, number % 100);
    let day = Date::new(i16::try_from(year).ok()?, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
    Some((day, midnight(day)?))
}

/// Amounts are exact: they never become floating point numbers.
fn parse_cents(text: &str) -> Option<i64> {
    let (dollars, cents) = text.split_once('.')?;
    let cents = whole(cents).filter(|_| cents.len() == 2)?;
    Some(i64::from(whole(dollars)?) * 100 + i64::from(cents))
}

fn whole(digits: &str) -> Option<u32> {
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

fn short(text: &str) -> String {
    text.chars().take(20).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn reason(line: &str) -> String {
        let input = parse(line.as_bytes());
        assert!(input.lines.is_empty(), "{line:?}");
        input.malformed.iter().map(|malformed| malformed.reason.to_string()).collect()
    }

    #[test]
    fn a_line_is_a_purchase_and_a_header_is_not() {
        let input = parse(b" customer_id  date number_of_cds  dollar_value\r\n 00002 19970112  5   77.00\r\n");
        let line = Line {
            number: 2,
            customer: CustomerId(2),
            day: date(1997, 1, 12),
            occurred_at: "1997-01-12T00:00:00Z".parse().unwrap(),
            purchase: Purchase { cds: 5, cents: 7_700 },
        };
        assert_eq!(input, Input { lines: vec![line], malformed: vec![] });
    }

    #[test]
    fn lines_are_ordered_by_customer_and_day_and_equal_ones_are_all_kept() {
        let text = b"2 19970102 1 1.00\n1 19970103 1 1.00\n1 19970101 1 1.00\n1 19970103 1 1.00";
        let numbers: Vec<_> = parse(text).lines.iter().map(|line| line.number).collect();
        assert_eq!(numbers, [3, 2, 4, 1]);
    }

    #[test]
    fn a_malformed_line_gives_its_number_and_the_reason_and_the_others_are_read() {
        let input = parse(b"1 19970101 1 11.77\n\n1 19970101 1\n\xff\n2 19970101 1 0.00\n");
        assert_eq!(input.lines.iter().map(|line| line.number).collect::<Vec<_>>(), [1, 5]);
        let malformed =
            [Malformed { number: 3, reason: Reason::Columns(3) }, Malformed { number: 4, reason: Reason::NoText }];
        assert_eq!(input.malformed, malformed);
    }

    #[test]
    fn each_column_is_checked() {
        assert_eq!(reason("x1 19970101 1 11.77"), r#""x1" is no customer id"#);
        assert_eq!(reason("+1 19970101 1 11.77"), r#""+1" is no customer id"#);
        assert_eq!(reason("1 19970229 1 11.77"), r#""19970229" is no day (YYYYMMDD)"#);
        assert_eq!(reason("1 1997011 1 11.77"), r#""1997011" is no day (YYYYMMDD)"#);
        assert_eq!(reason("1 00000101 1 11.77"), r#""00000101" is no day (YYYYMMDD)"#);
        assert_eq!(reason("1 99991231 1 11.77"), r#""99991231" is no day (YYYYMMDD)"#);
        assert_eq!(reason("1 19970101 -1 11.77"), r#""-1" is no number of CDs"#);
        assert_eq!(reason("1 19970101 4294967296 11.77"), r#""4294967296" is no number of CDs"#);
        for dollars in ["11", "11.7", "11.777", ".77", "-1.00", "1e3", "4294967296.00", "1.+7"] {
            let expected = format!("{dollars:?} is no amount in dollars with two decimals");
            assert_eq!(reason(&format!("1 19970101 1 {dollars}")), expected);
        }
        assert_eq!(reason(&"9".repeat(1_000)), "it has 1 columns instead of 4");
    }

    #[test]
    fn the_whole_file_can_be_read() {
        let input = parse(include_bytes!("../data/cdnow_master.txt"));
        assert_eq!((input.lines.len(), input.malformed.len()), (69_659, 0));
        // It is ordered already: the lines of a customer go in as they stand in the file.
        assert!(input.lines.is_sorted_by_key(|line| line.number));
    }
}
