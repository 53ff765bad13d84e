//! The state of an aggregate while its events are folded. Pure.

use crate::aggregate::{Apply, fold};
use crate::codec::CodecError;
use crate::event::DomainEvent;
use crate::id::EventId;
use crate::recorded_event::{RecordedEvent, UndecodableEvent};
use crate::snapshot_policy::Mark;
use crate::snapshot_store::Snapshot;
use crate::stream::{GlobalPosition, Version};
use crate::timestamp::Timestamp;

/// The place of the last event that was folded in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Last {
    pub version: Version,
    pub position: GlobalPosition,
    pub event_id: EventId,
    pub recorded_at: Timestamp,
}

impl Last {
    pub fn mark(&self) -> Mark {
        Mark::at(self.version, self.recorded_at)
    }
}

/// A state, and what it is folded from.
pub(super) struct Fold<A: Apply> {
    pub state: A,
    pub last: Option<Last>,
    /// The latest time at which any event happened that the state rests on.
    pub happened_until: Timestamp,
    /// Events before this version could not be read, and no event since then restarts the state: it is not to be used.
    pub cut_off: Option<Version>,
    /// From where the next snapshot is counted: the newest one that is known of, else the first event; `None` without any.
    pub since: Option<Mark>,
    decoded: Vec<A::Event>,
}

impl<A: Apply> Clone for Fold<A> {
    fn clone(&self) -> Self {
        Self { state: self.state.clone(), decoded: Vec::new(), ..*self }
    }
}

impl<A: Apply> Fold<A> {
    pub fn empty() -> Self {
        Self {
            state: A::default(),
            last: None,
            happened_until: Timestamp::MIN,
            cut_off: None,
            since: None,
            decoded: Vec::with_capacity(1),
        }
    }

    /// Of a stream that is truncated: nothing is known before this version.
    pub fn cut_off(before: Version) -> Self {
        Self { cut_off: Some(before), ..Self::empty() }
    }

    pub fn from_snapshot(snapshot: &Snapshot, state: A) -> Self {
        Self {
            state,
            last: Some(Last {
                version: snapshot.version,
                position: snapshot.position,
                event_id: snapshot.event_id,
                recorded_at: snapshot.recorded_at,
            }),
            happened_until: snapshot.happened_until,
            cut_off: None,
            since: Some(Mark::at(snapshot.version, snapshot.recorded_at)),
            decoded: Vec::with_capacity(1),
        }
    }

    pub fn version(&self) -> Option<Version> {
        self.last.map(|last| last.version)
    }

    /// Folds in a recorded event, which may stand for none or several of today's events.
    pub fn add(&mut self, raw: RecordedEvent) -> Result<(), UndecodableEvent> {
        self.decoded.clear();
        let decoded: Result<(), CodecError> = raw.decode(&mut self.decoded);
        if let Err(source) = decoded {
            return Err(UndecodableEvent::new(raw, source));
        }
        let decoded = std::mem::take(&mut self.decoded);
        decoded.iter().for_each(|event| self.apply(event));
        self.decoded = decoded;
        self.happened_until = self.happened_until.max(raw.happened_at());
        self.now_at(Last {
            version: raw.version,
            position: raw.position,
            event_id: raw.id,
            recorded_at: raw.recorded_at,
        });
        Ok(())
    }

    /// The events that [`add`](Self::add) folded in last, taken out.
    pub fn take_decoded(&mut self) -> Vec<A::Event> {
        std::mem::take(&mut self.decoded)
    }

    /// Folds in events that were just appended.
    pub fn add_written(&mut self, events: &[A::Event], last: Last, happened_at: Timestamp) {
        events.iter().for_each(|event| self.apply(event));
        self.happened_until = self.happened_until.max(happened_at);
        self.now_at(last);
    }

    /// The state is that after this event.
    pub fn now_at(&mut self, last: Last) {
        self.since.get_or_insert(Mark::before_first(last.recorded_at));
        self.last = Some(last);
    }

    /// Changes the state only.
    pub fn apply(&mut self, event: &A::Event) {
        fold(&mut self.state, event);
        if event.restarts_state() {
            self.happened_until = Timestamp::MIN;
            self.cut_off = None;
        }
    }
}
