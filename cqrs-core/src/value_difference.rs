//! What differs between two JSON values. A difference as a patch (RFC 6902) would not tell what was there before.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// A value within a document, or within the state of an aggregate, that differs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ValueDifference {
    /// Where it is: a JSON pointer (RFC 6901) such as `/items/0/price`, empty for the whole document.
    pub path: String,
    /// What it was; `None` when it was not there.
    #[serde(default, deserialize_with = "there", skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// What it is; `None` when it is not there.
    #[serde(default, deserialize_with = "there", skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

impl fmt::Display for ValueDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, before, after } = self;
        match (before, after) {
            (Some(before), Some(after)) => write!(f, "{path} {before} -> {after}"),
            (Some(before), None) => write!(f, "{path} {before} removed"),
            (_, after) => write!(f, "{path} {} added", after.as_ref().unwrap_or(&Value::Null)),
        }
    }
}

impl ValueDifference {
    /// The first values that differ, `most` of them, in the order of their paths. The elements of arrays are compared place
    /// by place.
    ///
    /// ```
    /// use cqrs_core::ValueDifference;
    /// use serde_json::json;
    /// let found = ValueDifference::between(&json!({ "price": 5, "tags": [] }), &json!({ "price": 6, "tags": [] }), 100);
    /// assert_eq!(found[0].to_string(), "/price 5 -> 6");
    /// ```
    #[must_use]
    pub fn between(before: &Value, after: &Value, most: usize) -> Vec<Self> {
        let mut found = Found { values: Vec::new(), most };
        found.differ(Some(before), Some(after), &mut String::new());
        found.values
    }
}

/// What is there may be `null`.
fn there<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

struct Found {
    values: Vec<ValueDifference>,
    most: usize,
}

impl Found {
    fn differ(&mut self, before: Option<&Value>, after: Option<&Value>, path: &mut String) {
        if before == after || self.values.len() == self.most {
            return;
        }
        match (before, after) {
            (Some(Value::Object(before)), Some(Value::Object(after))) => {
                let added = after.keys().filter(|name| !before.contains_key(*name));
                let mut names: Vec<_> = before.keys().chain(added).collect();
                names.sort_unstable();
                for name in names {
                    let step = name.replace('~', "~0").replace('/', "~1");
                    within(&step, path, |path| self.differ(before.get(name), after.get(name), path));
                }
            }
            (Some(Value::Array(before)), Some(Value::Array(after))) => {
                for at in 0..before.len().max(after.len()) {
                    within(&at.to_string(), path, |path| self.differ(before.get(at), after.get(at), path));
                }
            }
            _ => {
                self.values.push(ValueDifference { path: path.clone(), before: before.cloned(), after: after.cloned() })
            }
        }
    }
}

fn within(step: &str, path: &mut String, work: impl FnOnce(&mut String)) {
    let length = path.len();
    path.push('/');
    path.push_str(step);
    work(path);
    path.truncate(length);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn texts(before: &Value, after: &Value) -> Vec<String> {
        ValueDifference::between(before, after, usize::MAX).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_value_that_differs_has_its_path_and_both_sides() {
        let before = json!({ "a": 1, "b": [1, 2, 3], "c": { "d": null }, "x/y": { "~": 1 }, "same": [1] });
        let after = json!({ "a": 2, "b": [1, 5], "c": { "e": true }, "x/y": { "~": 2 }, "same": [1] });
        let expected =
            ["/a 1 -> 2", "/b/1 2 -> 5", "/b/2 3 removed", "/c/d null removed", "/c/e true added", "/x~1y/~0 1 -> 2"];
        assert_eq!(texts(&before, &after), expected);
    }

    #[test]
    fn values_of_different_kinds_differ_as_a_whole() {
        assert_eq!(texts(&json!({ "a": 1 }), &json!([1])), [r#" {"a":1} -> [1]"#]);
        assert_eq!(texts(&json!(1), &json!(1)), [""; 0]);
    }

    #[test]
    fn only_the_first_are_listed() {
        let (before, after) = (json!(vec![0; 5_000]), json!(vec![1; 5_000]));
        assert_eq!(ValueDifference::between(&before, &after, 100).len(), 100);
        assert_eq!(ValueDifference::between(&before, &after, usize::MAX).len(), 5_000);
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![Just(json!(null)), (0..3).prop_map(|n| json!(n)), "[a/~]{0,2}".prop_map(|t| json!(t))];
        leaf.prop_recursive(3, 20, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::btree_map("[a/~]{0,2}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_difference_points_at_what_each_side_has(before in value(), after in value()) {
            let found = ValueDifference::between(&before, &after, usize::MAX);
            prop_assert_eq!(found.is_empty(), before == after);
            for one in found {
                prop_assert_eq!(before.pointer(&one.path), one.before.as_ref());
                prop_assert_eq!(after.pointer(&one.path), one.after.as_ref());
                prop_assert_ne!(&one.before, &one.after);
                let text = serde_json::to_string(&one).unwrap();
                prop_assert_eq!(serde_json::from_str::<ValueDifference>(&text).unwrap(), one, "{}", text);
            }
        }
    }
}
