//! Money.

use std::fmt;

use showcase::grouped;

/// An amount in whole đồng: `1,500,000 VND`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amount(pub i64);

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{} VND", if self.0 < 0 { "-" } else { "" }, grouped(self.0.unsigned_abs()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_readable() {
        let shown = [0, 999, 1_200, 1_500_000, -300].map(|amount| Amount(amount).to_string());
        assert_eq!(shown, ["0 VND", "999 VND", "1,200 VND", "1,500,000 VND", "-300 VND"]);
    }
}
