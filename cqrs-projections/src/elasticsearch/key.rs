//! Keys of documents, and the `_id` that each has.

use std::borrow::Cow;

/// What Elasticsearch takes as an `_id`.
const MOST: usize = 512;

/// Between the number of a partition and a key; no key has it.
const SEPARATOR: char = '\u{1f}';

/// The key itself in the first partition; in others it follows the partition's number, as one index holds them all.
/// An empty key, which no document has, gets an `_id` all the same: asking for an empty `_id` is an error.
pub(super) fn id(partition: u16, key: &str) -> Cow<'_, str> {
    if partition == 0 && !key.is_empty() {
        Cow::Borrowed(key)
    } else {
        Cow::Owned(format!("{partition}{SEPARATOR}{key}"))
    }
}

/// The `_id` that a document may have.
pub(super) fn checked_id(partition: u16, key: &str) -> Result<Cow<'_, str>, String> {
    if key.is_empty() || key.len() > MOST || key.chars().any(char::is_control) {
        return Err("a key has 1 to 512 bytes and no control characters".to_owned());
    }
    let id = id(partition, key);
    if id.len() > MOST {
        let most = MOST - (id.len() - key.len());
        return Err(format!("a key has at most {most} bytes in partition {partition}"));
    }
    Ok(id)
}

/// The key of a document.
pub(super) fn key(id: &str) -> &str {
    id.split_once(SEPARATOR).map_or(id, |(_, key)| key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_do_not_share_ids() {
        let ids = [(0, "a"), (1, "a"), (11, "a"), (0, "1:a"), (1, "1:a"), (0, "1")].map(|(p, key)| id(p, key));
        assert_eq!(ids, ["a", "1\u{1f}a", "11\u{1f}a", "1:a", "1\u{1f}1:a", "1"]);
        assert_eq!(ids.each_ref().map(|id| key(id)), ["a", "a", "a", "1:a", "1:a", "1"]);
    }

    #[test]
    fn ids_are_bounded() {
        let (long, longer) = ("k".repeat(512), "k".repeat(513));
        assert!(checked_id(0, &long).is_ok() && checked_id(0, &longer).is_err());
        assert_eq!(checked_id(12, &long).unwrap_err(), "a key has at most 509 bytes in partition 12");
        assert!(checked_id(12, &long[..509]).is_ok());
        for bad in ["", "a\nb", "1\u{1f}a"] {
            assert!(checked_id(0, bad).is_err(), "{bad:?}");
        }
    }
}
