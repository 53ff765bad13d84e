//! Where the present comes from.

use std::fmt::Debug;

use crate::timestamp::Timestamp;

/// Tells the present. It may stand still and go back: whoever records by it keeps its own order.
pub trait Clock: Send + Sync + Debug + 'static {
    /// The present.
    fn now(&self) -> Timestamp;
}

/// This machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}
