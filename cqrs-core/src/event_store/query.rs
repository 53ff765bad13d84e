//! Which events of the log: by type and by tag.

use serde::Serialize;

use crate::event::EventSet;
use crate::name::{EventType, InvalidName};
use crate::recorded_event::RecordedEvent;

/// Items of a query at most.
const ITEMS: usize = 1_000;

/// Tags of an event, or of an item of a query, at most.
pub(super) const TAGS: usize = 100;

/// Bytes of a tag at most.
const TAG_BYTES: usize = 255;

/// Events of the whole log, whatever their streams: those that match any of its items. Without items it is every event.
///
/// A query is that of the specification of dynamic consistency boundaries (<https://dcb.events/specification>): a decision
/// reads the events that match, and is [appended](crate::Append::expect_none_matching) on the condition that no other one has
/// come since.
///
/// ```
/// use cqrs_core::{EventQuery, EventType, QueryItem};
///
/// let capacity = QueryItem::new().types([EventType::new("course.defined.v1")?]).tag("course:c1");
/// let enrolments = QueryItem::new().tag("course:c1").tag("student:s1");
/// let query = EventQuery::any_of([capacity, enrolments]);
///
/// let defined = EventType::new("course.defined.v1")?;
/// assert!(query.matches(&defined, &["course:c1"]));
/// assert!(!query.matches(&defined, &["course:c2"]));
/// assert!(query.matches(&EventType::new("student.enrolled.v1")?, &["student:s1", "semester:7", "course:c1"]));
/// # Ok::<(), cqrs_core::InvalidName>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize)]
#[serde(transparent)]
pub struct EventQuery {
    items: Vec<QueryItem>,
}

/// One kind of events that a query is after: of any of its types, and with all of its tags. Without types it is those of
/// every type, without tags those with any tags and with none.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize)]
pub struct QueryItem {
    types: Vec<EventType>,
    tags: Vec<String>,
}

/// Why a query is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidQuery {
    /// No event can have such a tag.
    #[error(transparent)]
    Tag(#[from] InvalidName),
    /// It has too many items.
    #[error("{count} items in one query, {limit} at most")]
    TooManyItems {
        /// How many it has.
        count: usize,
        /// How many it may have.
        limit: usize,
    },
    /// An item has too many tags.
    #[error("{count} tags in one item of a query, {limit} at most")]
    TooManyTags {
        /// How many it has.
        count: usize,
        /// How many it may have.
        limit: usize,
    },
}

impl EventQuery {
    /// Every event.
    #[must_use]
    pub const fn all() -> Self {
        Self { items: Vec::new() }
    }

    /// The events that match any of these items; every event when there is none of them.
    #[must_use]
    pub fn any_of(items: impl IntoIterator<Item = QueryItem>) -> Self {
        Self { items: items.into_iter().collect() }.simplified()
    }

    /// The events that match this query or the other one.
    #[must_use]
    pub fn or(mut self, other: Self) -> Self {
        if self.is_all() || other.is_all() {
            return Self::all();
        }
        self.items.extend(other.items);
        self.simplified()
    }

    /// An item that matches everything leaves nothing for the others to add; each stands in it once.
    fn simplified(mut self) -> Self {
        if self.items.iter().any(|item| item.types.is_empty() && item.tags.is_empty()) {
            return Self::all();
        }
        let items = std::mem::take(&mut self.items);
        for item in items {
            if !self.items.contains(&item) {
                self.items.push(item);
            }
        }
        self
    }

    /// Its items.
    #[must_use]
    pub fn items(&self) -> &[QueryItem] {
        &self.items
    }

    /// Whether it is every event.
    #[must_use]
    pub const fn is_all(&self) -> bool {
        self.items.is_empty()
    }

    /// Whether it is an event of this type with these tags.
    #[must_use]
    pub fn matches(&self, event_type: &EventType, tags: &[impl AsRef<str>]) -> bool {
        self.is_all() || self.items.iter().any(|item| item.matches(event_type, tags))
    }

    /// Whether it is this event. An event whose metadata cannot be decoded has no tags.
    #[must_use]
    pub fn matches_recorded(&self, event: &RecordedEvent) -> bool {
        self.is_all() || self.matches(&event.event_type, &event.tags().unwrap_or_default())
    }

    /// The same query, where every type is meant only those that `E` understands: what cannot be decoded is no answer.
    pub(crate) fn understood_by<E: EventSet>(mut self) -> Self {
        if self.is_all() {
            self.items.push(QueryItem::default());
        }
        for item in &mut self.items {
            if item.types.is_empty() {
                item.types = E::event_types();
            }
        }
        self
    }

    /// Checks what can be checked without the log. Every store does so before anything else.
    ///
    /// # Errors
    /// [`InvalidQuery`] says which rule it breaks.
    pub fn check(&self) -> Result<(), InvalidQuery> {
        if self.items.len() > ITEMS {
            return Err(InvalidQuery::TooManyItems { count: self.items.len(), limit: ITEMS });
        }
        for item in &self.items {
            if item.tags.len() > TAGS {
                return Err(InvalidQuery::TooManyTags { count: item.tags.len(), limit: TAGS });
            }
            for tag in &item.tags {
                if let Some(reason) = refuse_tag(tag) {
                    return Err(InvalidName::new("tag", tag, reason).into());
                }
            }
        }
        Ok(())
    }
}

impl From<QueryItem> for EventQuery {
    fn from(item: QueryItem) -> Self {
        Self::any_of([item])
    }
}

impl QueryItem {
    /// Every event, until types or tags are named.
    #[must_use]
    pub const fn new() -> Self {
        Self { types: Vec::new(), tags: Vec::new() }
    }

    /// Events of these types too. Name the older versions of a type that the log may hold, or take them
    /// [all](Self::of).
    #[must_use]
    pub fn types(mut self, types: impl IntoIterator<Item = EventType>) -> Self {
        self.types.extend(types);
        self
    }

    /// Events of all types that `E` understands, the older versions included.
    #[must_use]
    pub fn of<E: EventSet>(self) -> Self {
        self.types(E::event_types())
    }

    /// Only events that have this tag, 1 to 255 bytes, as well.
    #[must_use]
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.tags.push(tag.into());
        self
    }

    fn matches(&self, event_type: &EventType, tags: &[impl AsRef<str>]) -> bool {
        (self.types.is_empty() || self.types.contains(event_type))
            && self.tags.iter().all(|wanted| tags.iter().any(|tag| tag.as_ref() == wanted))
    }

    /// The types of which an event has one; none is any.
    #[must_use]
    pub fn event_types(&self) -> &[EventType] {
        &self.types
    }

    /// The tags of which an event has all.
    #[must_use]
    pub fn tags(&self) -> &[String] {
        &self.tags
    }
}

/// The rule that a tag breaks.
pub(super) fn refuse_tag(tag: &str) -> Option<&'static str> {
    match tag.len() {
        0 => Some("it is empty"),
        1..=TAG_BYTES if tag.contains('\0') => Some("it holds a NUL character"),
        1..=TAG_BYTES => None,
        _ => Some("it has more than 255 bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event_type() -> EventType {
        EventType::new("course.defined.v1").unwrap()
    }

    fn tagged(tag: &str) -> EventQuery {
        QueryItem::new().tag(tag).into()
    }

    #[test]
    fn no_items_and_an_empty_item_are_everything() {
        for query in [EventQuery::all(), EventQuery::any_of([]), QueryItem::new().into()] {
            assert!(query.is_all() && query.matches(&event_type(), &["course:c1"; 0]));
        }
    }

    #[test]
    fn everything_or_something_is_everything() {
        assert!(EventQuery::all().or(tagged("a:1")).is_all());
        assert!(tagged("a:1").or(EventQuery::all()).is_all());
        assert_eq!(tagged("a:1").or(tagged("a:1")), tagged("a:1"));
        let both = tagged("a:1").or(tagged("b:1"));
        assert!(both.matches(&event_type(), &["b:1"]) && !both.matches(&event_type(), &["c:1"]));
    }

    #[test]
    fn tags_that_no_event_can_have_are_refused() {
        assert_eq!(tagged(&"x".repeat(255)).check(), Ok(()));
        for tag in ["", "a\0b", &"x".repeat(256)] {
            assert!(matches!(tagged(tag).check(), Err(InvalidQuery::Tag(_))), "{tag:?}");
        }
        let crowded = (0..101).fold(QueryItem::new(), |item, number| item.tag(number.to_string()));
        assert!(matches!(EventQuery::from(crowded).check(), Err(InvalidQuery::TooManyTags { count: 101, .. })));
        let long = EventQuery::any_of((0..1_001).map(|number| QueryItem::new().tag(number.to_string())));
        assert!(matches!(long.check(), Err(InvalidQuery::TooManyItems { count: 1_001, .. })));
    }
}
