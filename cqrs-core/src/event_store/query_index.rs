//! Events by type and tag, in memory.

use std::collections::HashMap;

use super::query::{EventQuery, QueryItem};
use crate::name::EventType;

/// Finds the events that match a query without looking at each: by number, in the order in which they were added, from 0.
#[derive(Debug, Clone, Default)]
pub struct QueryIndex {
    events: usize,
    /// The numbers of the events, ascending.
    types: HashMap<EventType, Vec<usize>>,
    tags: HashMap<String, Vec<usize>>,
}

impl QueryIndex {
    /// Adds the next event.
    pub fn add(&mut self, event_type: &EventType, tags: &[String]) {
        let number = self.events;
        self.events += 1;
        self.types.entry(event_type.clone()).or_default().push(number);
        for tag in tags {
            match self.tags.get_mut(tag) {
                None => drop(self.tags.insert(tag.clone(), vec![number])),
                Some(numbers) if numbers.last() == Some(&number) => {}
                Some(numbers) => numbers.push(number),
            }
        }
    }

    /// The numbers of the events that match, from `first` on.
    pub fn matching<'a>(&'a self, query: &'a EventQuery, first: usize) -> impl Iterator<Item = usize> + 'a {
        std::iter::successors(self.next(query, first), |&last| self.next(query, last + 1))
    }

    fn next(&self, query: &EventQuery, from: usize) -> Option<usize> {
        if query.is_all() {
            return (from < self.events).then_some(from);
        }
        query.items().iter().filter_map(|item| self.next_of(item, from)).min()
    }

    /// Each list moves the number on to its own next one, until all of them have it.
    fn next_of(&self, item: &QueryItem, from: usize) -> Option<usize> {
        let mut number = from;
        loop {
            let mut next = number;
            for tag in item.tags() {
                next = next_in(self.tags.get(tag)?, next)?;
            }
            if !item.event_types().is_empty() {
                let of_type = |one| next_in(self.types.get(one)?, next);
                next = item.event_types().iter().filter_map(of_type).min()?;
            }
            if next == number {
                return (number < self.events).then_some(number);
            }
            number = next;
        }
    }
}

fn next_in(numbers: &[usize], from: usize) -> Option<usize> {
    numbers.get(numbers.partition_point(|&number| number < from)).copied()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn event_type() -> impl Strategy<Value = EventType> {
        (0..3u8).prop_map(|number| EventType::new(format!("a.happened{number}.v1")).unwrap())
    }

    fn tags() -> impl Strategy<Value = Vec<String>> {
        prop::collection::vec((0..4u8).prop_map(|number| format!("tag:{number}")), 0..4)
    }

    fn query() -> impl Strategy<Value = EventQuery> {
        let item = (prop::collection::vec(event_type(), 0..3), tags())
            .prop_map(|(types, tags)| tags.into_iter().fold(QueryItem::new().types(types), QueryItem::tag));
        prop::collection::vec(item, 0..4).prop_map(EventQuery::any_of)
    }

    proptest! {
        #[test]
        fn the_index_finds_what_looking_at_each_event_finds(
            events in prop::collection::vec((event_type(), tags()), 0..40),
            query in query(),
            first in 0..41usize,
        ) {
            let mut index = QueryIndex::default();
            events.iter().for_each(|(event_type, tags)| index.add(event_type, tags));
            let matches = |number: &usize| query.matches(&events[*number].0, &events[*number].1);
            let expected: Vec<_> = (first.min(events.len())..events.len()).filter(matches).collect();
            prop_assert_eq!(index.matching(&query, first).collect::<Vec<_>>(), expected);
        }
    }
}
