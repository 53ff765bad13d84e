//! What is told, and whether it is right.

use std::fmt::{self, Debug, Display};
use std::io::{self, Write};

use crate::number::grouped;

/// Tells what happens as it happens, and compares figures with what they should be.
#[derive(Debug)]
pub struct Report<W> {
    out: W,
    compared: u64,
    differences: Vec<String>,
}

/// Figures that are not as they should be.
#[derive(Debug)]
pub struct Differences(Vec<String>);

impl<W: Write> Report<W> {
    /// Tells it to `out`.
    pub fn new(out: W) -> Self {
        Self { out, compared: 0, differences: Vec::new() }
    }

    /// Tells something.
    ///
    /// # Errors
    /// When nobody can be told.
    pub fn say(&mut self, text: impl Display) -> io::Result<()> {
        writeln!(self.out, "{text}")
    }

    /// Begins a part.
    ///
    /// # Errors
    /// When nobody can be told.
    pub fn part(&mut self, title: impl Display) -> io::Result<()> {
        writeln!(self.out, "\n{title}")
    }

    /// Compares a figure with what it should be.
    pub fn check<T: PartialEq + Debug>(&mut self, what: impl Display, found: &T, expected: &T) {
        self.compared += 1;
        if found != expected {
            self.differences.push(format!("{what}: expected {expected:?}, found {found:?}"));
        }
    }

    /// Tells that all figures are right, or fails with those that are not.
    ///
    /// # Errors
    /// [`Differences`], or when nobody can be told.
    pub fn close(mut self) -> Result<(), Box<dyn std::error::Error>> {
        if self.differences.is_empty() {
            let compared = grouped(self.compared);
            return Ok(self.part(format_args!("all {compared} figures are as they should be"))?);
        }
        Err(Differences(self.differences).into())
    }
}

impl Display for Differences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} figures are not as they should be", self.0.len())?;
        self.0.iter().take(20).try_for_each(|difference| write!(f, "\n  {difference}"))
    }
}

impl std::error::Error for Differences {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_named_with_both_values() {
        let mut report = Report::new(Vec::new());
        report.check("totals", &1, &1);
        report.check("purchases", &1, &2);
        let error = report.close().unwrap_err().to_string();
        assert_eq!(error, "1 figures are not as they should be\n  purchases: expected 2, found 1");
    }

    #[test]
    fn when_nothing_differs_it_says_how_much_was_compared() {
        let mut out = Vec::new();
        let mut report = Report::new(&mut out);
        report.check("purchases", &2, &2);
        report.close().unwrap();
        assert_eq!(out, b"\nall 1 figures are as they should be\n");
    }
}
