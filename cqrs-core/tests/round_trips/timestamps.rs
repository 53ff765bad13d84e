//! Moments: exact to the microsecond as numbers, as text and as JSON.

use cqrs_core::Timestamp;
use proptest::prelude::*;

fn moment() -> impl Strategy<Value = Timestamp> {
    let (min, max) = (Timestamp::MIN.as_micros(), Timestamp::MAX.as_micros());
    prop_oneof![min..=max, min..=min + 10, max - 10..=max, -10..=10i64].prop_map(Timestamp::from_micros)
}

proptest! {
    #[test]
    fn a_moment_comes_back_from_each_of_its_forms(moment in moment()) {
        prop_assert_eq!(Timestamp::from_micros(moment.as_micros()), moment);
        prop_assert_eq!(moment.to_string().parse::<Timestamp>().unwrap(), moment);
        prop_assert_eq!(Timestamp::from(jiff::Timestamp::from(moment)), moment);
        let json = serde_json::to_string(&moment).unwrap();
        prop_assert_eq!(&json, &format!("\"{moment}\""));
        prop_assert_eq!(serde_json::from_str::<Timestamp>(&json).unwrap(), moment);
    }

    #[test]
    fn any_number_becomes_a_moment_within_the_bounds_in_the_same_order(one: i64, other: i64) {
        let (first, second) = (Timestamp::from_micros(one), Timestamp::from_micros(other));
        prop_assert!((Timestamp::MIN..=Timestamp::MAX).contains(&first));
        prop_assert!(one > other || first <= second);
        let sum = i128::from(first.as_micros()) + i128::from(other);
        let bounds = (i128::from(Timestamp::MIN.as_micros()), i128::from(Timestamp::MAX.as_micros()));
        prop_assert_eq!(i128::from(first.plus_micros(other).as_micros()), sum.clamp(bounds.0, bounds.1));
    }

    #[test]
    fn what_is_finer_than_a_microsecond_is_cut_off_towards_the_past(moment in moment(), nanos in 0..1_000i64) {
        prop_assume!(moment < Timestamp::MAX);
        let finer = jiff::Timestamp::from_nanosecond(i128::from(moment.as_micros()) * 1_000 + i128::from(nanos)).unwrap();
        prop_assert_eq!(Timestamp::from(finer), moment);
        prop_assert_eq!(finer.to_string().parse::<Timestamp>().unwrap(), moment);
    }

    #[test]
    fn no_text_makes_it_panic_and_a_refusal_names_it_in_short(text in "\\PC{0,200}|[0-9TZ:.+-]{0,30}") {
        if let Err(error) = text.parse::<Timestamp>() {
            prop_assert!(text.starts_with(&error.value) && error.value.chars().count() <= 80);
        }
    }
}
