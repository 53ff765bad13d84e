//! The keys of documents and of lookups.

/// The longest key, in bytes.
const BYTES: usize = 512;

/// What the key of a lookup begins with. The keys of documents have no control characters.
const MARK: char = '\u{1}';

/// The key under which a lookup is kept: what the documents of a partition are joined with, and no reader sees.
#[must_use]
pub fn lookup_key(key: &str) -> String {
    format!("{MARK}{key}")
}

/// The key of a lookup as its projector knows it, given the one under which it is kept; `None` for that of a document.
#[must_use]
pub fn lookup_name(key: &str) -> Option<&str> {
    key.strip_prefix(MARK)
}

/// Whether a key is that of a lookup.
#[must_use]
pub fn is_lookup(key: &str) -> bool {
    key.starts_with(MARK)
}

/// The part of a key that tells its partition: what stands in its first braces, unless that is empty, or else the whole key.
/// `{tenant-7}course-3` and `{tenant-7}course-4` are in the same partition. The rule is that of Redis Cluster.
#[must_use]
pub fn partition_key(key: &str) -> &str {
    let braced = key.split_once('{').and_then(|(_, rest)| rest.split_once('}'));
    braced.map(|(part, _)| part).filter(|part| !part.is_empty()).unwrap_or(key)
}

/// The rule that a key breaks, if it breaks one. No sink keeps a document under such a key.
#[must_use]
pub fn key_rule(key: &str) -> Option<&'static str> {
    let document = key.strip_prefix(MARK).unwrap_or(key);
    if document.is_empty() {
        Some("a key has at least one byte")
    } else if key.len() > BYTES {
        Some("a key has 512 bytes at most")
    } else if document.chars().any(char::is_control) {
        Some("a key has no control characters")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_partition_key_is_what_stands_in_the_first_braces() {
        for (key, part) in [
            ("course-3", "course-3"),
            ("{tenant-7}course-3", "tenant-7"),
            ("course-3{tenant-7}", "tenant-7"),
            ("{a}{b}", "a"),
            ("{a{b}", "a{b"),
            ("{}a", "{}a"),
            ("}a{", "}a{"),
            ("{a", "{a"),
            ("", ""),
        ] {
            assert_eq!(partition_key(key), part, "{key}");
            assert_eq!(partition_key(&lookup_key("{t}x")), "t");
        }
    }

    #[test]
    fn keys_that_no_sink_keeps_are_told() {
        for bad in ["", "\u{1}", "line\nbreak", "nul\0", "\u{85}", "a\u{1}", "\u{1}\u{1}a", &"x".repeat(513)] {
            assert!(key_rule(bad).is_some(), "{bad:?}");
        }
        for good in ["a", "\u{1}a", "é", &"x".repeat(512)] {
            assert_eq!(key_rule(good), None, "{good:?}");
        }
    }
}
