//! Can a field have such a value?

use std::cmp::Ordering;

use cqrs_core::Timestamp;
use serde_json::{Number, Value};

use super::super::mapping::Kind;
use super::error::InvalidSearch;

pub(super) fn check(field: &str, kind: Kind, value: &Value) -> Result<(), InvalidSearch> {
    let (fits, needs) = match kind {
        // What is no number, such as NaN, is null in JSON, and a bound of null is none at all.
        _ if value.is_null() || value.is_array() || value.is_object() => (false, "one value"),
        Kind::Number => (number(value).is_some(), "a number"),
        Kind::Boolean => (value.is_boolean() || matches!(value.as_str(), Some("true" | "false" | "")), "true or false"),
        Kind::Date => (!value.is_boolean(), "a date"),
        _ => (true, ""),
    };
    if fits { Ok(()) } else { Err(InvalidSearch::Value { field: field.to_owned(), value: value.to_string(), needs }) }
}

/// How two values of a field compare, as far as that can be known here.
pub(super) fn compare(kind: Kind, one: &Value, other: &Value) -> Option<Ordering> {
    let numbers = || match (integer(one), integer(other)) {
        (Some(one), Some(other)) => Some(one.cmp(&other)),
        _ => number(one)?.partial_cmp(&number(other)?),
    };
    match (kind, one, other) {
        (_, Value::Number(_), Value::Number(_)) | (Kind::Number, ..) => numbers(),
        (Kind::Keyword, Value::String(one), Value::String(other)) => Some(one.cmp(other)),
        (_, Value::String(one), Value::String(other)) => {
            let (one, other) = (one.parse::<Timestamp>().ok()?, other.parse::<Timestamp>().ok()?);
            Some(one.cmp(&other))
        }
        _ => None,
    }
}

fn integer(value: &Value) -> Option<i128> {
    value.as_number().and_then(Number::as_i128)
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::String(text) => text.trim().parse().ok().filter(|number: &f64| number.is_finite()),
        value => value.as_f64(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_is_of_the_type_of_its_field() {
        for (kind, good, bad) in [
            (Kind::Number, vec![json!(1), json!(1.5), json!("7")], vec![json!("x"), json!(true), json!("NaN")]),
            (Kind::Boolean, vec![json!(true), json!("false")], vec![json!("yes"), json!(1)]),
            (Kind::Date, vec![json!("now-1d"), json!(5)], vec![json!(false)]),
            (Kind::Keyword, vec![json!("x"), json!(1), json!(true)], vec![]),
            (Kind::Other, vec![json!("x"), json!(1)], vec![json!(f64::NAN), json!(null), json!([1]), json!({})]),
        ] {
            good.iter().for_each(|value| assert_eq!(check("f", kind, value), Ok(()), "{kind:?} {value}"));
            bad.iter().for_each(|value| assert!(check("f", kind, value).is_err(), "{kind:?} {value}"));
        }
        let refused = check("price", Kind::Number, &json!("cheap")).unwrap_err();
        assert_eq!(refused.to_string(), "the field \"price\" cannot be compared with \"cheap\", which is not a number");
    }

    #[test]
    fn values_compare_as_their_field_does() {
        for (kind, one, other, expected) in [
            (Kind::Number, json!(u64::MAX), json!(i64::MAX), Some(Ordering::Greater)),
            (Kind::Number, json!(9_007_199_254_740_993_i64), json!(9_007_199_254_740_992_i64), Some(Ordering::Greater)),
            (Kind::Number, json!(1.5), json!(2), Some(Ordering::Less)),
            (Kind::Number, json!("10"), json!("9"), Some(Ordering::Greater)),
            (Kind::Keyword, json!("10"), json!("9"), Some(Ordering::Less)),
            (Kind::Date, json!("2024-01-01T00:00:00Z"), json!("2024-01-01T01:00:00+02:00"), Some(Ordering::Greater)),
            (Kind::Date, json!("now"), json!("now-1d"), None),
            (Kind::Other, json!("b"), json!("a"), None),
        ] {
            assert_eq!(compare(kind, &one, &other), expected, "{one} {other}");
        }
    }
}
