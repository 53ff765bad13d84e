//! Money.

use std::fmt;

/// An amount in whole đồng: `1,500,000 VND`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amount(pub i64);

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.unsigned_abs().to_string();
        let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
        write!(f, "{}{} VND", if self.0 < 0 { "-" } else { "" }, groups.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_stand_in_groups_of_three() {
        let shown = [0, 999, 1_200, 1_500_000, -300].map(|amount| Amount(amount).to_string());
        assert_eq!(shown, ["0 VND", "999 VND", "1,200 VND", "1,500,000 VND", "-300 VND"]);
    }
}
