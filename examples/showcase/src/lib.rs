//! What every example does: it tells what happens, compares each figure with what it should be, and ends accordingly.

mod exit;
mod number;
#[cfg(feature = "place")]
pub mod place;
mod report;

pub use exit::exit;
pub use number::grouped;
pub use report::{Differences, Report};
