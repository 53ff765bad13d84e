//! Keys of documents: the `_id` that each has.

/// What Elasticsearch takes as an `_id`.
const MOST: usize = 512;

/// The `_id` to ask for: the key. An empty key, which no document has, is asked for as another one that none has: an empty
/// `_id` is an error.
pub(super) fn id(key: &str) -> &str {
    if key.is_empty() { "\u{1f}" } else { key }
}

/// The `_id` that a document may have.
pub(super) fn checked_id(key: &str) -> Result<&str, &'static str> {
    match key.is_empty() || key.len() > MOST || key.chars().any(char::is_control) {
        true => Err("a key has 1 to 512 bytes and no control characters"),
        false => Ok(key),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_bounded() {
        let (long, longer) = ("k".repeat(512), "k".repeat(513));
        assert!(checked_id(&long).is_ok() && checked_id(&longer).is_err());
        for bad in ["", "a\nb", id("")] {
            assert!(checked_id(bad).is_err(), "{bad:?}");
        }
    }
}
