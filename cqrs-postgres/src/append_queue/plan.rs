//! A group as one statement: pure.
//!
//! All appends are expected to succeed in queue order, whatever the heads of their streams are within certain bounds. The
//! database checks the bounds and writes everything, or nothing when one does not hold; then the appends are decided one
//! by one.

use std::collections::{HashMap, HashSet};

use cqrs_core::append_queue::QueryIndex;
use cqrs_core::{
    Append, Appended, Condition, EventId, EventQuery, ExpectedVersion, GlobalPosition, StreamName, Timestamp, Version,
};

/// A stream that a group writes to or expects something of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PlannedStream {
    pub name: StreamName,
    /// The version of its newest event lies within these bounds; 0 is no event.
    pub lowest: u64,
    pub highest: u64,
    /// Events that the group appends to it.
    pub events: u64,
}

/// Where an event goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PlannedEvent {
    /// Index into the streams, from 0.
    pub stream: usize,
    /// How many versions after the head, from 1.
    pub offset: u64,
}

#[derive(Debug, Default)]
pub(super) struct Plan<'a> {
    pub streams: Vec<PlannedStream>,
    pub events: Vec<PlannedEvent>,
    /// Queries that nothing in the log matches after a position.
    pub queries: Vec<(&'a EventQuery, GlobalPosition)>,
}

/// What the database answered.
#[derive(Debug, Clone)]
pub(super) struct Written {
    pub first_position: u64,
    pub recorded_at: Timestamp,
    /// The version of each stream's newest event before the group.
    pub heads: Vec<u64>,
}

impl<'a> Plan<'a> {
    /// `None` when not all of the appends can succeed, or an event id stands in two of them, or one of them has to do with
    /// claims, which have to be looked up.
    pub fn of(appends: impl IntoIterator<Item = &'a Append> + Clone) -> Option<Self> {
        Self::when(appends, false)
    }

    /// As [`of`](Self::of), for appends that were decided: their claims hold, and nothing matches their queries.
    pub fn of_decided(appends: impl IntoIterator<Item = &'a Append> + Clone) -> Option<Self> {
        Self::when(appends, true)
    }

    fn when(appends: impl IntoIterator<Item = &'a Append> + Clone, decided: bool) -> Option<Self> {
        let mut plan = Self::default();
        // The events of the group, where one of its appends asks for them.
        let mut group = (!decided && appends.clone().into_iter().any(has_query)).then(QueryIndex::default);
        let mut indexes: HashMap<&StreamName, usize> = HashMap::new();
        let mut ids: HashSet<EventId> = HashSet::new();
        for append in appends {
            for condition in &append.conditions {
                match condition {
                    Condition::Stream { stream, expected } => {
                        let index = plan.stream(stream, &mut indexes);
                        plan.streams[index].expect(*expected)?;
                    }
                    Condition::Unclaimed { .. } | Condition::NoneMatching { .. } if decided => {}
                    Condition::NoneMatching { query, after } => {
                        if group.as_ref().is_some_and(|group| group.matching(query, 0).next().is_some()) {
                            return None;
                        }
                        plan.queries.push((query, *after));
                    }
                    _ => return None,
                }
            }
            for event in &append.events {
                if !ids.insert(event.id) || !(decided || event.claims.is_empty()) {
                    return None;
                }
                let stream = plan.stream(&event.stream, &mut indexes);
                plan.streams[stream].events += 1;
                plan.events.push(PlannedEvent { stream, offset: plan.streams[stream].events });
                if let Some(group) = &mut group {
                    group.add(&event.event_type, &event.metadata.tags);
                }
            }
        }
        Some(plan)
    }

    fn stream(&mut self, name: &'a StreamName, indexes: &mut HashMap<&'a StreamName, usize>) -> usize {
        *indexes.entry(name).or_insert_with(|| {
            self.streams.push(PlannedStream { name: name.clone(), lowest: 0, highest: i64::MAX as u64, events: 0 });
            self.streams.len() - 1
        })
    }

    /// The outcome of each append, given how many events each of them has.
    pub fn outcomes(&self, counts: impl IntoIterator<Item = usize>, written: &Written) -> Vec<Appended> {
        let mut start = 0;
        let mut outcomes = Vec::new();
        for count in counts {
            let events = &self.events[start..start + count];
            let version = |event: &PlannedEvent| written.heads.get(event.stream).map(|head| head + event.offset);
            outcomes.push(Appended {
                first_position: GlobalPosition::new(written.first_position + start as u64),
                position: GlobalPosition::new(written.first_position + (start + count) as u64 - 1),
                versions: events.iter().filter_map(version).filter_map(Version::new).collect(),
                recorded_at: written.recorded_at,
                repeated: false,
            });
            start += count;
        }
        outcomes
    }
}

fn has_query(append: &Append) -> bool {
    append.conditions.iter().any(|condition| matches!(condition, Condition::NoneMatching { .. }))
}

impl PlannedStream {
    /// Narrows the bounds to those heads for which the expectation holds after the events that are planned so far.
    fn expect(&mut self, expected: ExpectedVersion) -> Option<()> {
        match expected {
            ExpectedVersion::Any => {}
            ExpectedVersion::NoStream if self.events == 0 => self.highest = 0,
            ExpectedVersion::NoStream => return None,
            ExpectedVersion::StreamExists if self.events == 0 => self.lowest = self.lowest.max(1),
            ExpectedVersion::StreamExists => {}
            ExpectedVersion::Exact(version) => {
                let head = version.get().checked_sub(self.events)?;
                self.lowest = self.lowest.max(head);
                self.highest = self.highest.min(head);
            }
        }
        (self.lowest <= self.highest).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cqrs_core::{ClaimKey, EventType, NewEvent, Payload, QueryItem};

    fn append(stream: &str, events: usize, expected: ExpectedVersion) -> Append {
        let stream = StreamName::new(stream).unwrap();
        let event_type = EventType::new("account.opened.v1").unwrap();
        let event = || NewEvent::raw(stream.clone(), event_type.clone(), Payload::from_bytes(&b"{}"[..]));
        Append::new((0..events).map(|_| event()).collect()).expect(stream.clone(), expected)
    }

    fn bounds(appends: &[Append]) -> Option<(u64, u64)> {
        Plan::of(appends).map(|plan| (plan.streams[0].lowest, plan.streams[0].highest))
    }

    fn exact(version: u64) -> ExpectedVersion {
        ExpectedVersion::Exact(Version::new(version).unwrap())
    }

    #[test]
    fn appends_to_one_stream_build_on_each_other() {
        let group = [append("a-1", 2, exact(5)), append("a-1", 1, exact(7)), append("a-1", 1, ExpectedVersion::Any)];
        assert_eq!(bounds(&group), Some((5, 5)));
        let plan = Plan::of(&group).unwrap();
        assert_eq!(plan.events.iter().map(|event| event.offset).collect::<Vec<_>>(), [1, 2, 3, 4]);
    }

    #[test]
    fn expectations_that_cannot_all_hold_are_not_planned() {
        assert_eq!(bounds(&[append("a-1", 1, exact(5)), append("a-1", 1, exact(5))]), None);
        assert_eq!(bounds(&[append("a-1", 1, exact(5)), append("a-1", 1, ExpectedVersion::NoStream)]), None);
        assert_eq!(bounds(&[append("a-1", 3, ExpectedVersion::Any), append("a-1", 1, exact(2))]), None);
    }

    #[test]
    fn a_stream_that_the_group_creates_exists_afterwards() {
        let group = [append("a-1", 1, ExpectedVersion::NoStream), append("a-1", 1, ExpectedVersion::StreamExists)];
        assert_eq!(bounds(&group), Some((0, 0)));
    }

    #[test]
    fn a_repeated_event_id_is_not_planned() {
        let one = append("a-1", 1, ExpectedVersion::Any);
        assert!(Plan::of(&[one.clone(), one]).is_none());
    }

    #[test]
    fn claims_are_planned_when_they_are_decided() {
        let key = || ClaimKey::new("email", "ann@example.com").unwrap();
        let plain = append("a-1", 1, ExpectedVersion::Any);
        let guarded = plain.clone().expect_unclaimed(key());
        let [mut taking, mut releasing] = [plain.clone(), plain];
        taking.events[0].claims.taken.push(key());
        releasing.events[0].claims.released.push(key());
        for one in [guarded, taking, releasing] {
            assert!(Plan::of([&one]).is_none());
            assert!(Plan::of_decided([&one]).is_some());
        }
    }

    #[test]
    fn queries_are_planned_unless_an_earlier_append_of_the_group_matches() {
        let tagged = |tag: &str| {
            let mut append = append("a-1", 1, ExpectedVersion::Any);
            append.events[0].metadata.tags = vec![tag.to_owned()];
            append.expect_none_matching(QueryItem::new().tag(tag).into(), GlobalPosition::new(7))
        };
        let others = [tagged("a:1"), tagged("a:2")];
        assert_eq!(Plan::of(&others).unwrap().queries.len(), 2);
        let meeting = [tagged("a:1"), tagged("a:1")];
        assert!(Plan::of(&meeting).is_none());
        assert_eq!(Plan::of_decided(&meeting).unwrap().queries, [], "they were answered");
    }

    #[test]
    fn outcomes_follow_from_the_heads() {
        let group = [
            append("a-1", 2, ExpectedVersion::Any),
            append("b-1", 1, ExpectedVersion::Any),
            append("a-1", 1, ExpectedVersion::Any),
        ];
        let plan = Plan::of(&group).unwrap();
        let written = Written { first_position: 11, recorded_at: Timestamp::MIN, heads: vec![7, 0] };
        let outcomes = plan.outcomes([2, 1, 1], &written);
        let versions: Vec<Vec<u64>> =
            outcomes.iter().map(|one| one.versions.iter().map(|v| v.get()).collect()).collect();
        assert_eq!(versions, [vec![8, 9], vec![1], vec![10]]);
        assert_eq!(
            outcomes.iter().map(|one| (one.first_position.get(), one.position.get())).collect::<Vec<_>>(),
            [(11, 12), (13, 13), (14, 14)]
        );
    }
}
