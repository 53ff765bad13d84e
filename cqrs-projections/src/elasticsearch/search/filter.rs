//! What has to hold for a document to be found.

use serde_json::{Value, json};

use super::super::mapping::Mapping;
use super::error::InvalidSearch;
use super::field::{self, Use};
use super::range::Range;
use super::value;

/// What a field has to be.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Filter {
    pub(super) field: String,
    pub(super) is: Is,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Is {
    Value(Value),
    OneOf(Vec<Value>),
    Within(Range),
    AtMost(Value),
}

impl Filter {
    pub(super) fn check(&self, mapping: &Mapping) -> Result<(), InvalidSearch> {
        let used = if matches!(self.is, Is::Value(_) | Is::OneOf(_)) { Use::Value } else { Use::Range };
        let kind = field::check(mapping, &self.field, used)?;
        match &self.is {
            Is::Value(value) | Is::AtMost(value) => value::check(&self.field, kind, value),
            Is::OneOf(values) => values.iter().try_for_each(|value| value::check(&self.field, kind, value)),
            Is::Within(range) => range.check(&self.field, kind),
        }
    }

    pub(super) fn body(&self) -> Value {
        let field = &self.field;
        match &self.is {
            Is::Value(value) => json!({ "term": { field: value } }),
            Is::OneOf(values) => json!({ "terms": { field: values } }),
            Is::Within(range) => json!({ "range": { field: range.body("gte", "lt") } }),
            Is::AtMost(value) => json!({ "range": { field: { "lte": value } } }),
        }
    }
}
