//! Judges the conditions on which events were appended, by the log alone: each event says on which. Pure, knows no store, and
//! has a reading of its own of what matches.

use cqrs_core::{AppendId, EventQuery, GlobalPosition, RecordedEvent};
use serde::{Deserialize, Serialize};

/// What an append was written on: nothing that matches any item lies after a position. It is the payload of its events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guard {
    /// The items; none is everything.
    pub items: Vec<Item>,
    /// The position.
    pub after: u64,
}

/// Events of any of these types and with all of these tags, where any are named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// The types.
    pub types: Vec<String>,
    /// The tags.
    pub tags: Vec<String>,
}

impl Guard {
    /// The condition that an append carries.
    #[must_use]
    pub fn new(query: &EventQuery, after: GlobalPosition) -> Self {
        let item = |item: &cqrs_core::QueryItem| Item {
            types: item.event_types().iter().map(ToString::to_string).collect(),
            tags: item.tags().to_vec(),
        };
        Self { items: query.items().iter().map(item).collect(), after: after.get() }
    }

    fn matches(&self, event: &GuardedEvent) -> bool {
        let matches = |item: &Item| {
            let of_type = item.types.is_empty() || item.types.contains(&event.event_type);
            of_type && item.tags.iter().all(|tag| event.tags.contains(tag))
        };
        self.items.is_empty() || self.items.iter().any(matches)
    }
}

/// An event of the log, as far as it is judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuardedEvent {
    /// Its place in the log.
    pub position: u64,
    /// The append that wrote it.
    pub append: AppendId,
    /// Its type.
    pub event_type: String,
    /// Its tags.
    pub tags: Vec<String>,
    /// On what it was written.
    pub guard: Guard,
}

impl GuardedEvent {
    /// What an event says; `None` when it says nothing of a condition.
    #[must_use]
    pub fn of(event: &RecordedEvent) -> Option<Self> {
        let metadata = event.metadata().ok()?;
        Some(Self {
            position: event.position.get(),
            append: metadata.append_id?,
            event_type: event.event_type.to_string(),
            tags: metadata.tags,
            guard: event.payload.decode().ok()?,
        })
    }
}

/// A condition that did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// The position of the first event of the append.
    pub appended_at: u64,
    /// The position of an event before it that matches what was to have no new events.
    pub matched_at: u64,
}

/// Every condition that did not hold when its append was written, in a log in order.
#[must_use]
pub fn broken(log: &[GuardedEvent]) -> Vec<Broken> {
    let mut broken = Vec::new();
    for (index, event) in log.iter().enumerate() {
        let first = log.iter().position(|other| other.append == event.append).unwrap_or(index);
        let new = log[..first].iter().filter(|other| other.position > event.guard.after);
        let matching = new.filter(|other| event.guard.matches(other));
        broken.extend(matching.map(|other| Broken { appended_at: log[first].position, matched_at: other.position }));
    }
    broken
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(items: &[(&[&str], &[&str])], after: u64) -> Guard {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let items = items.iter().map(|(types, tags)| Item { types: texts(types), tags: texts(tags) });
        Guard { items: items.collect(), after }
    }

    fn event(position: u64, append: AppendId, event_type: &str, tags: &[&str], guard: Guard) -> GuardedEvent {
        let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
        GuardedEvent { position, append, event_type: event_type.to_owned(), tags, guard }
    }

    /// Two appends of course c1, the second of two events and on what the first left; then one of course c2.
    fn sound() -> Vec<GuardedEvent> {
        let (one, two, three) = (AppendId::new(), AppendId::new(), AppendId::new());
        let course = |name, after| guard(&[(&[], &[name])], after);
        vec![
            event(3, one, "a.opened.v1", &["course:c1"], course("course:c1", 0)),
            event(5, two, "a.moved.v1", &["course:c1", "vip"], course("course:c1", 3)),
            event(6, two, "a.moved.v1", &["course:c1"], course("course:c1", 3)),
            event(9, three, "a.opened.v1", &["course:c2"], course("course:c2", 0)),
        ]
    }

    /// What is broken when the last append rests on this.
    fn last_on(guard: Guard) -> Vec<(u64, u64)> {
        let mut log = sound();
        log[3].guard = guard;
        broken(&log).iter().map(|broken| (broken.appended_at, broken.matched_at)).collect()
    }

    #[test]
    fn a_sound_log_is_sound() {
        assert_eq!(broken(&sound()), []);
        assert_eq!(last_on(guard(&[], 8)), [], "everything, but nothing since");
    }

    #[test]
    fn a_condition_on_everything_that_was_overtaken_is_found() {
        assert_eq!(last_on(guard(&[], 5)), [(9, 6)]);
    }

    #[test]
    fn conditions_on_tags_and_types_that_did_not_hold_are_found() {
        assert_eq!(last_on(guard(&[(&[], &["vip"])], 0)), [(9, 5)]);
        assert_eq!(last_on(guard(&[(&[], &["vip", "course:c1"])], 0)), [(9, 5)]);
        assert_eq!(last_on(guard(&[(&[], &["vip", "course:c2"])], 0)), []);
        assert_eq!(last_on(guard(&[(&["a.moved.v1"], &["course:c1"])], 5)), [(9, 6)]);
        assert_eq!(last_on(guard(&[(&["a.closed.v1", "a.opened.v1"], &[])], 0)), [(9, 3)]);
        assert_eq!(last_on(guard(&[(&["a.closed.v1"], &[]), (&[], &["vip"])], 4)), [(9, 5)]);
    }

    #[test]
    fn the_first_event_of_an_append_counts_and_not_its_own() {
        let mut log = sound();
        log[2].guard.after = 2;
        assert_eq!(broken(&log), [Broken { appended_at: 5, matched_at: 3 }]);
    }

    #[test]
    fn two_that_saw_the_same_and_were_both_written_are_found() {
        let mut log = sound();
        let rival = event(7, AppendId::new(), "a.moved.v1", &["course:c1"], log[1].guard.clone());
        log.insert(3, rival);
        assert_eq!(broken(&log).len(), 2, "both events of the other one are new");
    }
}
