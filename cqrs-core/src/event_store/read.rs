//! What can be read from the log, page by page.

use super::query::{EventQuery, InvalidQuery};
use crate::id::{EventId, StoreId};
use crate::name::{Category, EventType, StreamName};
use crate::recorded_event::RecordedEvent;
use crate::stream::{GlobalPosition, Version};
use crate::timestamp::Timestamp;

/// How many events a page holds unless told.
const PAGE: usize = 1_000;

/// Bytes in a page of the log unless told.
const PAGE_BYTES: usize = 16 << 20;

/// Which way a stream is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Direction {
    /// From the oldest event to the newest.
    #[default]
    Forward,
    /// From the newest event to the oldest.
    Backward,
}

/// A window of one stream. All bounds are inclusive and hold together.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReadStream {
    /// The stream.
    pub stream: StreamName,
    /// Which way.
    pub direction: Direction,
    /// No version below this one.
    pub from: Version,
    /// No version above this one.
    pub to: Version,
    /// No event recorded after this time.
    pub recorded_until: Timestamp,
    /// No event after this position.
    pub until: GlobalPosition,
    /// Events in the page at most, at least 1; 1,000 unless told.
    pub limit: usize,
}

impl ReadStream {
    /// The whole stream, forward, from its first event or, where it is truncated, from the one that it begins with.
    #[must_use]
    pub fn new(stream: StreamName) -> Self {
        Self {
            stream,
            direction: Direction::Forward,
            from: Version::FIRST,
            to: Version::MAX,
            recorded_until: Timestamp::MAX,
            until: GlobalPosition::MAX,
            limit: PAGE,
        }
    }

    /// From the newest event of the window to its oldest.
    #[must_use]
    pub fn backward(mut self) -> Self {
        self.direction = Direction::Backward;
        self
    }

    /// No version below `version`.
    #[must_use]
    pub fn from(mut self, version: Version) -> Self {
        self.from = version;
        self
    }

    /// No version above `version`.
    #[must_use]
    pub fn to(mut self, version: Version) -> Self {
        self.to = version;
        self
    }

    /// No event recorded after `time`.
    #[must_use]
    pub fn recorded_until(mut self, time: Timestamp) -> Self {
        self.recorded_until = time;
        self
    }

    /// No event after `position`.
    #[must_use]
    pub fn until(mut self, position: GlobalPosition) -> Self {
        self.until = position;
        self
    }

    /// At most `limit` events (0 is taken as 1).
    #[must_use]
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit.max(1);
        self
    }
}

/// A page of one stream.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StreamPage {
    /// The events, in the direction that was asked for.
    pub events: Vec<RecordedEvent>,
    /// Whether the window may hold more: go on after the last event of this page.
    pub more: bool,
    /// The version before which the stream is truncated: whatever the window is, no older event is in the page.
    pub truncated_before: Option<Version>,
}

/// Which events of the whole log are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Filter {
    /// All of them.
    #[default]
    All,
    /// Those of streams of these categories.
    Categories(Vec<Category>),
    /// Those of these types.
    EventTypes(Vec<EventType>),
    /// Those that match a query by type and tag.
    Query(EventQuery),
    /// Those that the filter within wants, without those of streams that are archived when the page is read. What a reader
    /// misses that way is said [there](crate::StreamFactsStore#what-a-reader-that-skips-sees).
    SkipArchived(Box<Filter>),
}

impl Filter {
    /// The same filter, but archived streams are skipped. They still cost the store to pass over, but nothing is sent of them.
    #[must_use]
    pub fn skip_archived(self) -> Self {
        match self {
            Self::SkipArchived(_) => self,
            filter => Self::SkipArchived(Box::new(filter)),
        }
    }

    /// What is wanted of the events themselves, and whether archived streams are skipped.
    #[must_use]
    pub fn parts(&self) -> (&Self, bool) {
        match self {
            Self::SkipArchived(filter) => (filter.parts().0, true),
            filter => (filter, false),
        }
    }

    /// Whether an event is wanted, unless its stream is archived and skipped.
    #[must_use]
    pub fn matches(&self, event: &RecordedEvent) -> bool {
        match self {
            Self::All => true,
            Self::SkipArchived(filter) => filter.matches(event),
            Self::Categories(wanted) => wanted.iter().any(|one| one.as_str() == event.stream.category()),
            Self::EventTypes(wanted) => wanted.contains(&event.event_type),
            Self::Query(query) => query.matches_recorded(event),
        }
    }

    /// Checks what can be checked without the log. Every store does so before it reads.
    ///
    /// # Errors
    /// [`InvalidQuery`] says which rule a query breaks.
    pub fn check(&self) -> Result<(), InvalidQuery> {
        match self.parts().0 {
            Self::Query(query) => query.check(),
            _ => Ok(()),
        }
    }
}

/// A window of the whole log, in position order.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReadAll {
    /// Only events after this position.
    pub after: GlobalPosition,
    /// Only events up to this position, it included.
    pub until: GlobalPosition,
    /// Which of them.
    pub filter: Filter,
    /// Events in the page at most, at least 1; 1,000 unless told.
    pub limit: usize,
    /// Bytes of payload and metadata in the page at most, though never less than one event; 16 MiB unless told.
    pub bytes: usize,
}

impl ReadAll {
    /// Everything after `position`.
    #[must_use]
    pub fn after(position: GlobalPosition) -> Self {
        Self { after: position, until: GlobalPosition::MAX, filter: Filter::All, limit: PAGE, bytes: PAGE_BYTES }
    }

    /// No event after `position`.
    #[must_use]
    pub fn until(mut self, position: GlobalPosition) -> Self {
        self.until = position;
        self
    }

    /// Only events that match.
    #[must_use]
    pub fn filter(mut self, filter: Filter) -> Self {
        self.filter = filter;
        self
    }

    /// At most `limit` events (0 is taken as 1).
    #[must_use]
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit.max(1);
        self
    }

    /// At most so many bytes of payload and metadata, though never less than one event.
    #[must_use]
    pub fn bytes(mut self, bytes: usize) -> Self {
        self.bytes = bytes;
        self
    }
}

/// A page of the whole log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogPage {
    /// The events that match, in position order.
    pub events: Vec<RecordedEvent>,
    /// Every matching event up to here is in this page or before it; go on after it. It passes events that do not match.
    pub scanned_to: GlobalPosition,
    /// Whether the window may hold more.
    pub more: bool,
}

impl LogPage {
    /// Leaves to the next page what is more than so many bytes of payload and metadata, though never the first event: the
    /// rule of [`ReadAll::bytes`].
    pub fn cut(&mut self, bytes: usize) {
        let mut sum = 0_usize;
        let fits = |event: &&RecordedEvent| {
            sum = sum.saturating_add(event.bytes());
            sum <= bytes
        };
        let whole = self.events.iter().take_while(fits).count().max(1);
        if whole < self.events.len() {
            self.events.truncate(whole);
            self.scanned_to = self.events[whole - 1].position;
            self.more = true;
        }
    }
}

/// The newest end of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The identity of the store.
    pub store_id: StoreId,
    /// The position of the newest event; [`GlobalPosition::START`] when there is none.
    pub position: GlobalPosition,
    /// The id of the newest event.
    pub event_id: Option<EventId>,
    /// When the newest event was recorded.
    pub recorded_at: Option<Timestamp>,
}
