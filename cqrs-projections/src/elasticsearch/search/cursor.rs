//! Where a search goes on.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::InvalidSearch;

/// Where [`deep_page`](super::ElasticSearch::deep_page) goes on.
///
/// As text ([`Display`](fmt::Display) and [`FromStr`]) it can be given to a client that asks for the next page, and goes
/// on in any process of the same program. It is not signed, and names what the server is to search: take it back only from
/// clients who may see all documents that the server has, or keep it and give them a name for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SearchCursor {
    pub(super) pit: String,
    pub(super) after: Vec<Value>,
    pub(super) total: u64,
    /// Which query it belongs to.
    pub(super) query: u64,
}

/// What tells one query from another.
pub(super) fn fingerprint(body: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    body.to_string().hash(&mut hasher);
    hasher.finish()
}

impl fmt::Display for SearchCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = serde_json::to_string(self).map_err(|_| fmt::Error)?;
        f.write_str(&text)
    }
}

impl FromStr for SearchCursor {
    type Err = InvalidSearch;

    fn from_str(text: &str) -> Result<Self, InvalidSearch> {
        serde_json::from_str(text).map_err(|error| InvalidSearch::Cursor { reason: error.to_string() })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_cursor_comes_back_from_text_to_the_last_bit() {
        let after = vec![json!(0.1 + 0.2), json!(i64::MAX), json!("Lập trình"), json!(null)];
        let cursor = SearchCursor { pit: "iM-b".to_owned(), after, total: 7, query: u64::MAX };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for bad in ["", "{}", "[1]", "x"] {
            assert!(matches!(bad.parse::<SearchCursor>(), Err(InvalidSearch::Cursor { .. })), "{bad}");
        }
    }
}
