//! Why there is nothing found.

use cqrs_core::{Failure, ReadModelError};

use super::query::SearchQuery;

/// Why a search was not answered.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum SearchError {
    /// The query is at fault; nothing was sent.
    #[error(transparent)]
    Invalid(#[from] InvalidSearch),
    /// The server refuses the query: a clause of your own, a text that is no date, a generation with another mapping.
    #[error("the server refused the search")]
    Refused(#[source] Failure),
    /// What a cursor goes on with is gone: nobody asked for longer than [`keep_alive`](super::ElasticSearch::keep_alive),
    /// or the generation was dropped after a rebuild. Begin again.
    #[error("what was being paged through is gone: begin again")]
    Expired,
    /// The server cannot be asked, or gave something that is no answer.
    #[error(transparent)]
    ReadModel(#[from] ReadModelError),
}

impl SearchError {
    /// Whether the same search may succeed later.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::ReadModel(error) if error.is_transient())
    }
}

/// What is wrong with a query.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidSearch {
    /// Page 0.
    #[error("pages count from 1")]
    NoSuchPage,
    /// A limit of 0.
    #[error("a page has at least one hit: for facets and the total alone, ask for no hits")]
    NoLimit,
    /// The page is too deep for the server.
    #[error(
        "page {page} of {limit} hits each lies beyond the first {window} hits: go there with a cursor",
        window = SearchQuery::WINDOW
    )]
    BeyondWindow {
        /// The page.
        page: u64,
        /// Its hits.
        limit: u64,
    },
    /// Going from page to page with a cursor, with a page number or without hits.
    #[error("with a cursor there are no page numbers, and hits on each page")]
    NotDeep,
    /// A text that is no cursor.
    #[error("that is no cursor: {reason}")]
    Cursor {
        /// What is wrong with it.
        reason: String,
    },
    /// The cursor comes from another query.
    #[error("the cursor belongs to another query")]
    OtherQuery,
    /// The mapping declares no such field.
    #[error("the mapping declares no field {field:?}")]
    UnknownField {
        /// The field.
        field: String,
    },
    /// A field is used for what it cannot be used for.
    #[error("the field {field:?} is {is}, which cannot be {used}{}", instead.as_ref().map(|other| format!(": {other:?} can")).unwrap_or_default())]
    Field {
        /// The field.
        field: String,
        /// What it is.
        is: &'static str,
        /// What it was to be used for.
        used: &'static str,
        /// A field with the same value that can be used so.
        instead: Option<String>,
    },
    /// A field of a nested object is used as if it were the document's.
    #[error("the field {field:?} lies within the nested field {within:?}: ask for it by a clause")]
    Nested {
        /// The field.
        field: String,
        /// The nested field around it.
        within: String,
    },
    /// A value that the field cannot have.
    #[error("the field {field:?} cannot be compared with {value}, which is not {needs}")]
    Value {
        /// The field.
        field: String,
        /// The value, as JSON; `null` for a number that is none.
        value: String,
        /// What it should be.
        needs: &'static str,
    },
    /// A range that ends before it begins.
    #[error("the range of {field:?} from {from} to {to} ends before it begins")]
    Inverted {
        /// The field.
        field: String,
        /// The lower bound, as JSON.
        from: String,
        /// The upper bound, as JSON.
        to: String,
    },
    /// A boost that is no positive number.
    #[error("{field:?} has no boost after its `^`: a positive number, `title^3`")]
    Boost {
        /// The field with its boost.
        field: String,
    },
    /// Words that are to be found in no field.
    #[error("there is no field to find words in")]
    NoFields,
    /// A facet that counts nothing.
    #[error("the facet {name:?} has {what}")]
    Facet {
        /// Its name.
        name: String,
        /// What it lacks.
        what: &'static str,
    },
}
