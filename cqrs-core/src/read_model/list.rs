//! All documents of a generation, page by page.

use super::StoredDocument;

/// Some of the documents of a generation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DocumentPage {
    /// Documents by key, in no particular order.
    pub documents: Vec<(String, StoredDocument)>,
    /// Where the next page begins; `None` after the last one.
    pub next: Option<ListCursor>,
}

/// Where a page of documents ends. What it holds is the sink's own business.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ListCursor(String);

impl ListCursor {
    /// The place that a sink calls so.
    #[must_use]
    pub fn new(place: impl Into<String>) -> Self {
        Self(place.into())
    }

    /// What the sink calls it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A partition and a place in it, of a cursor that was made [by these](Self::in_partition).
    #[must_use]
    pub fn partition_and_place(&self) -> Option<(u16, &str)> {
        let (partition, place) = self.0.split_once(':')?;
        Some((partition.parse().ok()?, place))
    }

    /// A place in a partition: what most sinks need.
    #[must_use]
    pub fn in_partition(partition: u16, place: &str) -> Self {
        Self(format!("{partition}:{place}"))
    }
}
