//! Words to be found in texts.

use serde_json::{Value, json};

use super::super::mapping::Mapping;
use super::error::InvalidSearch;
use super::field::{self, Use};

/// How many letters a word may differ in from one that is searched for: changed, left out, added, or two swapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Fuzziness {
    /// None in words of one or two letters, one in words of three to five, two in longer ones.
    #[default]
    Auto,
    /// None.
    Exact,
    /// One.
    One,
    /// Two.
    Two,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Words {
    words: String,
    fields: Vec<String>,
}

impl Words {
    pub(super) fn new<F: Into<String>>(words: &str, fields: impl IntoIterator<Item = F>) -> Self {
        Self { words: words.to_owned(), fields: fields.into_iter().map(Into::into).collect() }
    }

    pub(super) fn are_none(&self) -> bool {
        self.words.trim().is_empty()
    }

    pub(super) fn check(&self, mapping: &Mapping) -> Result<(), InvalidSearch> {
        if self.fields.is_empty() {
            return Err(InvalidSearch::NoFields);
        }
        self.fields.iter().try_for_each(|boosted| {
            let (field, boost) = boosted.split_once('^').unwrap_or((boosted, "1"));
            if !boost.parse().is_ok_and(|boost: f64| boost.is_finite() && boost > 0.0) {
                return Err(InvalidSearch::Boost { field: boosted.clone() });
            }
            check_pattern(mapping, field, Use::Words)
        })
    }

    pub(super) fn body(&self, fuzziness: Fuzziness) -> Value {
        let mut body = json!({ "query": self.words, "fields": self.fields });
        match fuzziness {
            Fuzziness::Auto => body["fuzziness"] = json!("AUTO"),
            Fuzziness::Exact => {}
            Fuzziness::One => body["fuzziness"] = json!(1),
            Fuzziness::Two => body["fuzziness"] = json!(2),
        }
        json!({ "multi_match": body })
    }
}

/// Patterns (`lessons.*`) are for the server to resolve.
pub(super) fn check_pattern(mapping: &Mapping, field: &str, used: Use) -> Result<(), InvalidSearch> {
    if field.contains('*') { Ok(()) } else { field::check(mapping, field, used).map(drop) }
}
