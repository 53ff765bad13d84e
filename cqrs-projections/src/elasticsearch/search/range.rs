//! From here, inclusive, to there, exclusive.

use std::cmp::Ordering;

use serde_json::{Map, Value};

use super::super::mapping::Kind;
use super::error::InvalidSearch;
use super::value;

/// Values from a lower bound, inclusive, to an upper one, exclusive: so that ranges that meet share no value.
///
/// Bounds are numbers, or dates as RFC 3339 text.
#[derive(Debug, Clone, PartialEq)]
pub struct Range {
    from: Option<Value>,
    to: Option<Value>,
}

impl Range {
    /// `value` and all above it.
    pub fn at_least(value: impl Into<Value>) -> Self {
        Self { from: Some(value.into()), to: None }
    }

    /// All below `value`.
    pub fn below(value: impl Into<Value>) -> Self {
        Self { from: None, to: Some(value.into()) }
    }

    /// `from` and all above it that is below `to`.
    pub fn between(from: impl Into<Value>, to: impl Into<Value>) -> Self {
        Self { from: Some(from.into()), to: Some(to.into()) }
    }

    /// The lower bound.
    #[must_use]
    pub const fn from(&self) -> Option<&Value> {
        self.from.as_ref()
    }

    /// The upper bound.
    #[must_use]
    pub const fn to(&self) -> Option<&Value> {
        self.to.as_ref()
    }

    pub(super) fn check(&self, field: &str, kind: Kind) -> Result<(), InvalidSearch> {
        for bound in [&self.from, &self.to].into_iter().flatten() {
            value::check(field, kind, bound)?;
        }
        match (&self.from, &self.to) {
            (Some(from), Some(to)) if value::compare(kind, from, to) == Some(Ordering::Greater) => {
                let (from, to) = (from.to_string(), to.to_string());
                Err(InvalidSearch::Inverted { field: field.to_owned(), from, to })
            }
            _ => Ok(()),
        }
    }

    pub(super) fn is_of_dates(&self) -> bool {
        [&self.from, &self.to].into_iter().flatten().any(Value::is_string)
    }

    /// With the names that the two bounds have in a request.
    pub(super) fn body(&self, from: &str, to: &str) -> Map<String, Value> {
        let bounds = [(from, &self.from), (to, &self.to)];
        bounds.into_iter().filter_map(|(name, bound)| Some((name.to_owned(), bound.clone()?))).collect()
    }
}
