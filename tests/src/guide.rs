//! The examples of the guide compile and run: a line here for each chapter.

#[cfg(doctest)]
#[doc = include_str!("../../docs/guide/choosing-aggregate-boundaries.md")]
pub struct ChoosingAggregateBoundaries;

#[cfg(doctest)]
#[doc = include_str!("../../docs/guide/evolving-events.md")]
pub struct EvolvingEvents;

#[cfg(doctest)]
#[doc = include_str!("../../docs/guide/when-not-to-use-event-sourcing.md")]
pub struct WhenNotToUseEventSourcing;
