//! Read models of the past: the documents as they were at a moment, and what differs between two.

mod error;
mod keep;
mod kept;
mod moment;
mod past;

pub use error::AsOfError;
pub use keep::KeepAsOf;
pub(crate) use kept::KeptNote;
pub use kept::{KeptGeneration, KeptGenerations};
pub use past::{PastDocuments, documents_as_of, joined_documents_as_of};
