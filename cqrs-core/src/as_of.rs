//! Past moments that a state can be asked for.

use crate::stream::{GlobalPosition, Version};
use crate::timestamp::Timestamp;

/// A moment in the past of an aggregate; the events at exactly that moment are included.
///
/// An event has two times that are never mixed up: when it happened (given by the caller, may be in the past) and when the
/// store recorded it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AsOf {
    /// After the event with this version.
    Version(Version),
    /// After everything up to this position of the whole log.
    Position(GlobalPosition),
    /// What the store knew at that time.
    Recorded(Timestamp),
    /// What had happened by that time, as far as it is known today: the events whose occurred time (where none was given:
    /// recorded time) is not after it, in version order.
    Occurred(Timestamp),
    /// What the store knew at one time about what had happened by another: the events that were recorded by `recorded`, and
    /// of them those whose occurred time (where none was given: recorded time) is not after `occurred`, in version order.
    /// Unlike what had occurred as far as it is known today, this never changes once `recorded` has passed.
    Bitemporal {
        /// By when it had happened.
        occurred: Timestamp,
        /// By when it was recorded.
        recorded: Timestamp,
    },
}
