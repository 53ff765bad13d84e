//! How a group of appends is written: in one round trip and one transaction under the append lock.

mod plan;
mod slow;
mod statement;
mod writer;

pub(crate) use slow::write_locked;
pub(crate) use writer::PgGroupWriter;
