//! Versions and positions: none that a database could not hold comes in by any way.

use cqrs_core::{GlobalPosition, Version};
use proptest::prelude::*;

const MOST: u64 = i64::MAX as u64;

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![any::<u64>(), 0..=2u64, MOST - 2..=MOST + 2, u64::MAX - 2..=u64::MAX]
}

proptest! {
    #[test]
    fn a_version_is_within_its_range_and_comes_back(number in number()) {
        let version = Version::new(number);
        prop_assert_eq!(version.map(Version::get), (1..=MOST).contains(&number).then_some(number));
        prop_assert_eq!(serde_json::from_str::<Version>(&number.to_string()).ok(), version);
        if let Some(version) = version {
            prop_assert_eq!(serde_json::to_string(&version).unwrap(), number.to_string());
            prop_assert_eq!(version.previous().map(Version::next), version.previous().map(|_| version));
            prop_assert_eq!(version.next().get(), (number + 1).min(MOST));
        }
    }

    #[test]
    fn a_position_is_within_its_range_and_comes_back(number in number()) {
        let position = GlobalPosition::new(number);
        prop_assert_eq!(position.get(), number.min(MOST));
        let read = serde_json::from_str::<GlobalPosition>(&number.to_string());
        prop_assert_eq!(read.ok(), (number <= MOST).then_some(position));
        prop_assert_eq!(serde_json::to_string(&position).unwrap(), position.get().to_string());
        prop_assert!(position.next() >= position && position.previous() <= position);
    }
}
