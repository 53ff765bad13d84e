//! Keys of documents: the `_id` that each has.

/// The `_id` to ask for: the key. An empty key, which no document has, is asked for as another one that none has: an empty
/// `_id` is an error.
pub(super) fn id(key: &str) -> &str {
    if key.is_empty() { "\u{1f}" } else { key }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_key_is_asked_for_as_one_that_no_document_has() {
        assert_eq!(id("a"), "a");
        assert!(cqrs_core::key_rule(id("")).is_some());
    }
}
