//! An append as a store writes it.

use crate::codec::Payload;
use crate::event_store::{Append, AppendError, NewEvent};

/// Bytes that an event takes in the queue besides its payload and metadata, roughly.
const OVERHEAD: usize = 256;

/// An append with the metadata of its events encoded.
#[derive(Debug)]
pub struct EncodedAppend {
    append: Append,
    metadata: Vec<Payload>,
    bytes: usize,
}

impl EncodedAppend {
    /// Encodes an append that was [checked](Append::check).
    ///
    /// # Errors
    /// [`AppendError::Permanent`] when metadata has no JSON form.
    pub fn new(append: Append) -> Result<Self, AppendError> {
        let mut metadata = Vec::with_capacity(append.events.len());
        let mut bytes = 0;
        for event in &append.events {
            let encoded = event.recorded_metadata(append.id)?;
            bytes += event.payload.len() + encoded.len() + OVERHEAD;
            metadata.push(encoded);
        }
        Ok(Self { append, metadata, bytes })
    }

    /// The append.
    #[must_use]
    pub const fn append(&self) -> &Append {
        &self.append
    }

    /// Its events, each with its metadata encoded, the append's id and the claims included.
    pub fn events(&self) -> impl ExactSizeIterator<Item = (&NewEvent, &Payload)> {
        self.append.events.iter().zip(&self.metadata)
    }

    /// What it takes in memory, roughly.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }
}
