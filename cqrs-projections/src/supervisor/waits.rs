//! The positions that are waited for.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Included};

use cqrs_core::GlobalPosition;

/// The positions that are waited for, and by how many.
#[derive(Debug, Default)]
pub(crate) struct Waits(BTreeMap<GlobalPosition, usize>);

impl Waits {
    /// Whether anybody waits.
    pub(crate) fn any(&self) -> bool {
        !self.0.is_empty()
    }

    /// Whether somebody waits for a position after `after` and up to `up_to`.
    pub(crate) fn any_within(&self, after: GlobalPosition, up_to: GlobalPosition) -> bool {
        after < up_to && self.0.range((Excluded(after), Included(up_to))).next().is_some()
    }

    pub(super) fn begin(&mut self, position: GlobalPosition) {
        *self.0.entry(position).or_default() += 1;
    }

    pub(super) fn end(&mut self, position: GlobalPosition) {
        if let Some(count) = self.0.get_mut(&position) {
            *count -= 1;
            if *count == 0 {
                self.0.remove(&position);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_waited_for_until_the_last_one_who_does_has_gone() {
        let at = GlobalPosition::new;
        let mut waits = Waits::default();
        waits.begin(at(5));
        waits.begin(at(5));
        assert!(waits.any_within(at(4), at(5)) && waits.any_within(at(1), at(9)));
        assert!(!waits.any_within(at(5), at(9)) && !waits.any_within(at(1), at(4)) && !waits.any_within(at(9), at(1)));
        waits.end(at(5));
        assert!(waits.any() && waits.any_within(at(4), at(5)));
        waits.end(at(5));
        assert!(!waits.any() && !waits.any_within(at(4), at(5)));
    }
}
