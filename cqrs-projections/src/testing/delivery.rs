//! The ways in which the same events may come in the course of crashes. Pure.

use std::ops::Range;

use cqrs_core::{DocumentWrite, is_lookup};

/// Events that come together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sent {
    /// By their places, from 0.
    pub(super) events: Range<usize>,
    /// Whether only a part of what they lead to is written, and which.
    pub(super) torn: Option<Torn>,
}

/// A part of what is written before a crash: lookups only after all documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Torn {
    /// Every other document, beginning with the first.
    Even,
    /// Every other document, beginning with the second.
    Odd,
    /// Every document, and every other lookup.
    Lookups,
}

/// A way of delivering all events.
pub(super) struct Delivery {
    /// For a message: the events come …
    pub(super) name: &'static str,
    pub(super) sent: Vec<Sent>,
}

/// The sizes of batches, in turn.
const SIZES: [usize; 5] = [3, 1, 5, 2, 8];

/// Ways to deliver so many events that must lead to the same documents as all of them at once.
pub(super) fn deliveries(events: usize) -> Vec<Delivery> {
    let (single, batches) = (cut(events, &[1]), cut(events, &SIZES));
    let of = |name, sent: Vec<Sent>| Delivery { name, sent };
    vec![
        of("one by one, each twice", single.iter().flat_map(|one| [whole(one), whole(one)]).collect()),
        of("in batches, each twice", batches.iter().flat_map(|batch| [whole(batch), whole(batch)]).collect()),
        of("in batches that are torn by crashes and come again", batches.iter().flat_map(torn).collect()),
        of("in batches that are torn by crashes and come again, cut otherwise", {
            batches.iter().flat_map(cut_otherwise).collect()
        }),
        of("in batches, and older ones out of the blue again between them", {
            let older = |place: usize| [whole(&batches[place]), whole(&batches[place / 2])];
            (0..batches.len()).flat_map(older).collect()
        }),
        of("one by one, and after the last all of them out of the blue again", {
            single.iter().chain(&single).map(whole).collect()
        }),
    ]
}

/// What is left of writes that were torn.
pub(super) fn kept(writes: Vec<DocumentWrite>, torn: Torn) -> Vec<DocumentWrite> {
    let (lookups, documents): (Vec<_>, Vec<_>) = writes.into_iter().partition(|write| is_lookup(&write.key));
    match torn {
        Torn::Even => documents.into_iter().step_by(2).collect(),
        Torn::Odd => documents.into_iter().skip(1).step_by(2).collect(),
        Torn::Lookups => documents.into_iter().chain(lookups.into_iter().step_by(2)).collect(),
    }
}

fn cut(events: usize, sizes: &[usize]) -> Vec<Range<usize>> {
    let mut from = 0;
    let mut batch = |size: &usize| {
        let start = from;
        from = events.min(start + size);
        (start < from).then_some(start..from)
    };
    sizes.iter().cycle().map_while(&mut batch).collect()
}

fn whole(events: &Range<usize>) -> Sent {
    Sent { events: events.clone(), torn: None }
}

fn torn(events: &Range<usize>) -> Vec<Sent> {
    let torn = [Torn::Even, Torn::Odd, Torn::Lookups].map(|torn| Sent { events: events.clone(), torn: Some(torn) });
    torn.into_iter().chain([whole(events)]).collect()
}

/// What is read again after a crash may end earlier or later than before.
fn cut_otherwise(events: &Range<usize>) -> Vec<Sent> {
    let middle = events.start.midpoint(events.end);
    let parts = [events.start..middle, middle..events.end];
    [Torn::Even, Torn::Odd, Torn::Lookups]
        .into_iter()
        .flat_map(|torn| [parts[0].clone(), events.clone()].map(|events| Sent { events, torn: Some(torn) }))
        .chain(parts.iter().map(whole))
        .filter(|sent| !sent.events.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_delivers_every_event_whole_in_the_end_and_none_before_those_before_it() {
        for events in 0..40 {
            for Delivery { name, sent } in deliveries(events) {
                let mut done = 0;
                for Sent { events, torn } in sent {
                    assert!(!events.is_empty() && events.start <= done, "{name}: {events:?} after {done}");
                    if torn.is_none() {
                        done = done.max(events.end);
                    }
                }
                assert_eq!(done, events, "{name}");
            }
        }
    }

    #[test]
    fn what_is_torn_holds_lookups_only_with_all_documents() {
        let write = |key: &str| DocumentWrite {
            key: key.to_owned(),
            document: None,
            position: cqrs_core::GlobalPosition::new(1),
        };
        let keys = ["a", "b", "c", &cqrs_core::lookup_key("x"), &cqrs_core::lookup_key("y")].map(write);
        let left = |torn| kept(keys.to_vec(), torn).into_iter().map(|write| write.key).collect::<Vec<_>>();
        assert_eq!(left(Torn::Even), ["a", "c"]);
        assert_eq!(left(Torn::Odd), ["b"]);
        assert_eq!(left(Torn::Lookups), ["a", "b", "c", &cqrs_core::lookup_key("x")]);
    }
}
