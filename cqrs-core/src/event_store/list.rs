//! The names of streams, page by page.

use crate::name::{Category, StreamName};
use crate::stream::Version;

/// How many streams a page holds unless told.
const PAGE: usize = 1_000;

/// A window of the streams of one category, in the byte order of their names.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListStreams {
    /// The category.
    pub category: Category,
    /// Only streams whose names lie after this one.
    pub after: Option<StreamName>,
    /// Streams in the page at most, at least 1; 1,000 unless told.
    pub limit: usize,
}

impl ListStreams {
    /// All streams of a category.
    #[must_use]
    pub fn new(category: Category) -> Self {
        Self { category, after: None, limit: PAGE }
    }

    /// Only streams whose names lie after `stream`: the last one of the page before.
    #[must_use]
    pub fn after(mut self, stream: StreamName) -> Self {
        self.after = Some(stream);
        self
    }

    /// At most `limit` streams (0 is taken as 1).
    #[must_use]
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit.max(1);
        self
    }

    /// The same window as bounds in byte order, both exclusive: what an index is searched with.
    #[must_use]
    pub fn bounds(&self) -> (String, String) {
        let first = format!("{}-", self.category);
        let after = self.after.as_ref().map_or("", StreamName::as_str);
        // The character after `-` is `.`.
        let end = format!("{}.", self.category);
        (if after > first.as_str() { after.to_owned() } else { first }, end)
    }
}

/// A stream, and how far it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamHead {
    /// The stream.
    pub stream: StreamName,
    /// The version of its newest event.
    pub version: Version,
}

impl StreamHead {
    /// A stream whose newest event has this version.
    #[must_use]
    pub const fn new(stream: StreamName, version: Version) -> Self {
        Self { stream, version }
    }
}

/// A page of streams.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StreamList {
    /// The streams, in the byte order of their names.
    pub streams: Vec<StreamHead>,
    /// Whether the window may hold more: go on after the last stream of this page.
    pub more: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bounds_hold_the_streams_of_the_category_and_no_others() {
        let list = ListStreams::new(Category::new("account").unwrap());
        let within = |list: &ListStreams, name: &str| {
            let (after, before) = list.bounds();
            after.as_str() < name && name < before.as_str()
        };
        for name in ["account- ", "account-0", "account-a-b", "account-é", "account-\u{10ffff}"] {
            assert!(within(&list, name), "{name:?}");
        }
        for name in ["accoun-1", "account.x-1", "account0-1", "account_-1", "accounts-1", "ACCOUNT-1", "b-1"] {
            assert!(!within(&list, name), "{name:?}");
        }
        let list = list.after(StreamName::new("account-5").unwrap());
        assert!(!within(&list, "account-5") && within(&list, "account-50") && !within(&list, "account-4"));
        let elsewhere = ListStreams::new(Category::new("b").unwrap()).after(StreamName::new("account-5").unwrap());
        assert_eq!(elsewhere.bounds(), ("b-".to_owned(), "b.".to_owned()));
    }
}
