//! The documents of a target in its owner's memory.

use std::collections::HashMap;
use std::mem;

use cqrs_core::{DocumentWrite, GlobalPosition, StoredDocument};

use crate::batch::Stored;

/// What an entry takes besides its key and document, roughly.
const ENTRY_BYTES: usize = 96;

/// Documents that were used lately. Right as long as nobody else writes the target, and dropped at the first error.
///
/// Bounded by two halves: when the recent one is full, the older one is forgotten and the recent one grows old. What is
/// used moves to the recent one.
#[derive(Debug)]
pub(crate) struct Cache {
    recent: Stored,
    older: Stored,
    bytes: usize,
    limit: usize,
    /// Whether every document of the target is in here: what is not, does not exist.
    complete: bool,
}

impl Cache {
    /// For a target with documents that are not known yet; keeps about `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self { recent: HashMap::new(), older: HashMap::new(), bytes: 0, limit, complete: false }
    }

    /// For a target that is empty.
    pub(crate) fn of_empty(limit: usize) -> Self {
        Self { complete: true, ..Self::new(limit) }
    }

    /// The keys whose documents must be loaded first. All others are in [`documents`](Self::documents) from now on.
    pub(crate) fn missing(&mut self, keys: &[String]) -> Vec<String> {
        let mut missing = Vec::new();
        for key in keys {
            if self.recent.contains_key(key) {
                continue;
            }
            match self.older.remove_entry(key) {
                Some((key, document)) => self.insert(key, document),
                None if self.complete => self.insert(key.clone(), absent()),
                None => missing.push(key.clone()),
            }
        }
        missing
    }

    /// Takes in documents that were loaded.
    pub(crate) fn loaded(&mut self, keys: Vec<String>, documents: Vec<Option<StoredDocument>>) {
        for (key, document) in keys.into_iter().zip(documents) {
            self.insert(key, document.unwrap_or_else(absent));
        }
    }

    /// The documents that [`missing`](Self::missing) did not name or that were loaded since.
    pub(crate) const fn documents(&self) -> &Stored {
        &self.recent
    }

    /// Takes in documents that are being written.
    pub(crate) fn written(&mut self, writes: &[DocumentWrite]) {
        for write in writes {
            let document = StoredDocument { document: write.document.clone(), position: write.position };
            match self.recent.get_mut(&write.key) {
                Some(held) => {
                    self.bytes = (self.bytes + length(&document)).saturating_sub(length(held));
                    *held = document;
                }
                None => self.insert(write.key.clone(), document),
            }
        }
    }

    /// Has a document loaded again.
    pub(crate) fn forget(&mut self, key: &str) {
        // What is not in here may exist from now on.
        self.complete = false;
        self.older.remove(key);
        if let Some((key, document)) = self.recent.remove_entry(key) {
            self.bytes = self.bytes.saturating_sub(size(&key, &document));
        }
    }

    /// Has all documents loaded again.
    pub(crate) fn clear(&mut self) {
        *self = Self::new(self.limit);
    }

    /// Makes room; between batches.
    pub(crate) fn trim(&mut self) {
        if self.bytes > self.limit / 2 {
            self.complete &= self.older.is_empty();
            self.older = mem::take(&mut self.recent);
            self.bytes = 0;
        }
    }

    fn insert(&mut self, key: String, document: StoredDocument) {
        self.bytes += size(&key, &document);
        let keyed = key.len();
        if let Some(replaced) = self.recent.insert(key, document) {
            self.bytes = self.bytes.saturating_sub(ENTRY_BYTES + keyed + length(&replaced));
        }
    }
}

fn absent() -> StoredDocument {
    StoredDocument { document: None, position: GlobalPosition::START }
}

fn length(document: &StoredDocument) -> usize {
    document.document.as_ref().map_or(0, cqrs_core::Payload::len)
}

fn size(key: &str, document: &StoredDocument) -> usize {
    ENTRY_BYTES + key.len() + length(document)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cqrs_core::Payload;

    fn write(key: &str, position: u64) -> DocumentWrite {
        let document = Some(Payload::from_bytes(vec![b'1'; 100]));
        DocumentWrite { key: key.to_owned(), document, position: GlobalPosition::new(position) }
    }

    #[test]
    fn what_an_empty_target_was_not_given_it_does_not_have() {
        let mut cache = Cache::of_empty(10_000);
        cache.written(&[write("a", 1)]);
        assert!(cache.missing(&["a".to_owned(), "b".to_owned()]).is_empty());
        assert!(cache.documents().contains_key("a") && cache.documents()["b"].document.is_none());
    }

    #[test]
    fn what_is_to_be_loaded_again_is_missing() {
        let mut cache = Cache::of_empty(10_000);
        cache.written(&[write("a", 1), write("b", 2)]);
        cache.forget("a");
        assert_eq!(cache.missing(&["a".to_owned(), "b".to_owned(), "c".to_owned()]), ["a", "c"]);
        cache.loaded(vec!["a".to_owned()], vec![None]);
        assert!(cache.documents()["a"].document.is_none());
    }

    #[test]
    fn what_is_written_again_takes_no_more_room() {
        let mut cache = Cache::of_empty(1_000);
        cache.written(&[write("kept", 1)]);
        for number in 2..100 {
            cache.written(&[write("again", number)]);
            cache.loaded(vec!["again".to_owned()], vec![None]);
            cache.trim();
        }
        assert!(cache.missing(&["kept".to_owned()]).is_empty() && cache.older.is_empty(), "{} bytes", cache.bytes);
    }

    #[test]
    fn what_was_forgotten_must_be_loaded_and_what_is_used_is_kept() {
        let mut cache = Cache::of_empty(1_000);
        for number in 0..20 {
            assert!(cache.missing(&["kept".to_owned()]).is_empty());
            cache.written(&[write("kept", number), write(&format!("once-{number}"), number)]);
            cache.trim();
        }
        assert_eq!(cache.missing(&["kept".to_owned(), "once-0".to_owned()]), ["once-0"]);
        assert_eq!(cache.documents()["kept"].position, GlobalPosition::new(19));
        let held = cache.recent.len() + cache.older.len();
        assert!(held < 12, "{held} documents are held");
    }
}
