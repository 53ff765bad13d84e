//! What differs between two sets of documents: one implementation for rebuilds and for moments of the past.

use std::collections::HashSet;
use std::fmt;
use std::hash::{BuildHasher, RandomState};

use cqrs_core::{ReadModelError, ValueDifference};
use serde_json::Value;

mod side;

pub(crate) use side::Side;

/// How many documents that differ are listed, unless told.
pub(crate) const LISTED: usize = 1_000;

/// How many values of one document are listed.
const VALUES: usize = 100;

/// How many documents are compared at a time.
const PAGE: usize = 1_000;

/// What differs between two sets of documents. The numbers are exact; of the documents themselves the first that were
/// found are listed.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct Differences {
    /// Documents that both have, alike. Compared as JSON: neither spaces nor the order of fields count.
    pub equal: u64,
    /// Documents that both have, and that differ.
    pub changed: u64,
    /// Documents that only the former has.
    pub removed: u64,
    /// Documents that only the latter has.
    pub added: u64,
    /// Documents that could not be compared: a writer that was cut off has left them ahead of its checkpoint, as it may in
    /// Elasticsearch. The next writer brings the others to them.
    pub unsettled: u64,
    /// The documents that differ, by key; not all of them where there are very many.
    pub documents: Vec<DocumentDifference>,
}

/// A document that differs.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct DocumentDifference {
    /// Its key.
    pub key: String,
    /// How it differs.
    pub change: DocumentChange,
}

/// How a document differs.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum DocumentChange {
    /// Only the latter has it: this.
    Added(Value),
    /// Only the former had it: this.
    Removed(Value),
    /// These values of it differ: the first 100.
    Changed(Vec<ValueDifference>),
}

impl Differences {
    /// Whether there is no difference, and nothing that could not be compared.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.different() == 0 && self.unsettled == 0
    }

    /// How many documents differ.
    #[must_use]
    pub const fn different(&self) -> u64 {
        self.changed + self.removed + self.added
    }
}

/// A summary on the first line, then a line for each listed document.
impl fmt::Display for Differences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { equal, changed, removed, added, unsettled, documents } = self;
        write!(f, "{equal} equal, {changed} changed, {removed} removed, {added} added, {unsettled} unsettled")?;
        for DocumentDifference { key, change } in documents {
            match change {
                DocumentChange::Added(document) => write!(f, "\n+ {key}: {document}")?,
                DocumentChange::Removed(document) => write!(f, "\n- {key}: {document}")?,
                DocumentChange::Changed(values) => {
                    write!(f, "\n~ {key}:")?;
                    values.iter().try_for_each(|value| write!(f, " {value}"))?;
                }
            }
        }
        Ok(())
    }
}

/// Compares all documents, page by page. Neither side may be written meanwhile.
pub(crate) async fn compare(before: &Side<'_>, after: &Side<'_>, listed: usize) -> Result<Differences, ReadModelError> {
    let mut tally = Tally::new(listed);
    let mut next = None;
    loop {
        let page = before.list(next.as_ref(), PAGE).await?;
        let keys = page.documents.iter().map(|(key, _)| key.clone()).collect();
        let mut others = after.load(keys).await?;
        for (key, stored) in page.documents {
            let other = others.remove(&key);
            match before.is_settled(&key, stored.position) {
                true => {
                    tally.compare(key, before.value(stored.document)?, after.value(other.and_then(|o| o.document))?)
                }
                false => tally.unsettled(&key),
            }
        }
        next = page.next;
        if next.is_none() {
            break;
        }
    }
    loop {
        let page = after.list(next.as_ref(), PAGE).await?;
        let keys = page.documents.iter().map(|(key, _)| key.clone()).collect();
        let mut others = before.load(keys).await?;
        for (key, stored) in page.documents {
            match others.remove(&key) {
                Some(other) if !before.is_settled(&key, other.position) => tally.unsettled(&key),
                // Those that both have were compared.
                Some(other) if other.document.is_some() => {}
                _ => tally.compare(key, None, after.value(stored.document)?),
            }
        }
        next = page.next;
        if next.is_none() {
            break;
        }
    }
    Ok(tally.found)
}

/// Counts what was compared.
struct Tally {
    found: Differences,
    listed: usize,
    /// A document may come twice. Those that are equal are counted once by a hash of the key, as those that differ: 8 bytes
    /// for each document.
    seen: HashSet<u64>,
    hasher: RandomState,
}

impl Tally {
    fn new(listed: usize) -> Self {
        Self { found: Differences::default(), listed, seen: HashSet::new(), hasher: RandomState::new() }
    }

    fn is_new(&mut self, key: &str) -> bool {
        self.seen.insert(self.hasher.hash_one(key))
    }

    fn unsettled(&mut self, key: &str) {
        if self.is_new(key) {
            self.found.unsettled += 1;
        }
    }

    fn compare(&mut self, key: String, before: Option<Value>, after: Option<Value>) {
        if !self.is_new(&key) {
            return;
        }
        let change = match (before, after) {
            (None, None) => return,
            (Some(before), Some(after)) if before == after => {
                self.found.equal += 1;
                return;
            }
            (Some(before), Some(after)) => {
                self.found.changed += 1;
                DocumentChange::Changed(ValueDifference::between(&before, &after, VALUES))
            }
            (Some(before), None) => {
                self.found.removed += 1;
                DocumentChange::Removed(before)
            }
            (None, Some(after)) => {
                self.found.added += 1;
                DocumentChange::Added(after)
            }
        };
        if self.found.documents.len() < self.listed {
            let at = self.found.documents.partition_point(|listed| listed.key < key);
            self.found.documents.insert(at, DocumentDifference { key, change });
        }
    }
}
