//! Who can read what: an older and a newer schema of the same thing.

use std::fmt;

use serde_json::Value;

use crate::difference::Difference;
use crate::reading::differences;

/// What is demanded of a newer schema, in the words of the schema registries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Compatibility {
    /// Readers of the newer schema read what was written under the older one: readers are upgraded first.
    #[default]
    Backward,
    /// Readers of the older schema read what is written under the newer one: writers are upgraded first.
    Forward,
    /// Both: in any order.
    Full,
    /// Nothing is demanded.
    None,
}

impl fmt::Display for Compatibility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Backward => "backward",
            Self::Forward => "forward",
            Self::Full => "full",
            Self::None => "none",
        })
    }
}

/// How an older and a newer schema differ.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct Comparison {
    /// For readers of the newer schema, of what was written under the older one.
    pub backward: Vec<Difference>,
    /// For readers of the older schema, of what is written under the newer one.
    pub forward: Vec<Difference>,
}

impl Comparison {
    /// Whether what is demanded holds. Fields that are passed over harm nobody.
    #[must_use]
    pub fn satisfies(&self, demanded: Compatibility) -> bool {
        self.breaking(demanded).next().is_none()
    }

    /// What stands against it.
    pub fn breaking(&self, demanded: Compatibility) -> impl Iterator<Item = &Difference> {
        let backward = matches!(demanded, Compatibility::Backward | Compatibility::Full);
        let forward = matches!(demanded, Compatibility::Forward | Compatibility::Full);
        let backward = self.backward.iter().filter(move |_| backward);
        backward.chain(self.forward.iter().filter(move |_| forward)).filter(|difference| difference.breaks())
    }
}

/// Compares an older JSON Schema with a newer one.
///
/// ```
/// use cqrs_schema::{Compatibility, compare};
/// use serde_json::json;
///
/// let older = json!({ "type": "object", "properties": { "amount": { "type": "integer" } }, "required": ["amount"] });
/// let newer = json!({
///     "type": "object",
///     "properties": { "amount": { "type": "integer" }, "currency": { "type": "string" } },
///     "required": ["amount", "currency"],
/// });
/// let comparison = compare(&older, &newer);
/// assert!(comparison.satisfies(Compatibility::Forward));
/// assert!(!comparison.satisfies(Compatibility::Backward));
/// assert_eq!(comparison.backward[0].to_string(), "/currency is required, and was not always written");
/// ```
#[must_use]
pub fn compare(older: &Value, newer: &Value) -> Comparison {
    Comparison { backward: differences(older, newer), forward: differences(newer, older) }
}
