//! A batch as arrays, one value for each document.

use cqrs_core::{Batch, DocumentWrite, Failure, ReadModelError, Target, key_rule};

use crate::statements::PgQuery;

/// The largest document and the largest batch, in bytes. PostgreSQL ends the connection at 1 GiB for a message and for what
/// becomes of it.
const MAX_BYTES: usize = 256 << 20;

/// Documents as arrays.
pub(super) struct Arrays<'a> {
    keys: Vec<&'a str>,
    documents: Vec<Option<&'a str>>,
    positions: Vec<i64>,
}

impl<'a> Arrays<'a> {
    /// Refuses what no sink keeps, before it goes anywhere.
    pub fn new(target: &Target, batch: &'a Batch) -> Result<Self, ReadModelError> {
        let permanent = |what: String| Err(ReadModelError::Permanent(Failure::new(what)));
        let (from, to, of) = (batch.from, batch.checkpoint.position, batch.checkpoint.generation);
        if to < from {
            return permanent(format!("the batch goes back from {from} to {to}"));
        }
        if of != target.generation {
            return permanent(format!("the checkpoint of {target} names generation {of}"));
        }
        let count = batch.documents.len();
        let mut arrays = Self {
            keys: Vec::with_capacity(count),
            documents: Vec::with_capacity(count),
            positions: Vec::with_capacity(count),
        };
        let mut bytes = 0;
        for write in &batch.documents {
            bytes += write.key.len() + write.document.as_ref().map_or(0, cqrs_core::Payload::len);
            arrays.documents.push(check(write)?);
            arrays.keys.push(&write.key);
            arrays.positions.push(write.position.get().cast_signed());
        }
        if bytes > MAX_BYTES {
            return permanent(format!("a batch of {count} documents and {bytes} bytes is too large: cut it"));
        }
        Ok(arrays)
    }

    pub fn bind<'q>(&'q self, query: PgQuery<'q>) -> PgQuery<'q> {
        query.bind(&self.keys[..]).bind(&self.documents[..]).bind(&self.positions[..])
    }
}

/// The text of a document.
fn check(write: &DocumentWrite) -> Result<Option<&str>, ReadModelError> {
    let text = write.document.as_ref().map(|document| std::str::from_utf8(document.as_bytes()));
    let reason = if let Some(rule) = key_rule(&write.key) {
        rule
    } else if write.document.as_ref().is_some_and(|document| document.len() > MAX_BYTES) {
        "it is larger than 256 MiB"
    } else {
        match text.transpose() {
            Ok(text) => return Ok(text),
            Err(_) => "it is not UTF-8",
        }
    };
    Err(ReadModelError::Rejected { key: write.key.clone(), reason: reason.to_owned() })
}

#[cfg(test)]
mod tests {
    use cqrs_core::{GlobalPosition, Payload};

    use super::*;

    #[test]
    fn what_no_sink_keeps_is_refused_before_it_is_sent() {
        let write = |key: &str, document: &[u8]| DocumentWrite {
            key: key.to_owned(),
            document: Some(Payload::from_bytes(document.to_vec())),
            position: GlobalPosition::new(1),
        };
        assert_eq!(check(&write("a", b"{}")).unwrap(), Some("{}"));
        for bad in [write("", b"{}"), write(&"x".repeat(513), b"{}"), write("a\n", b"{}"), write("a", b"\"\xff\"")] {
            assert!(matches!(check(&bad), Err(ReadModelError::Rejected { .. })), "{bad:?}");
        }
    }
}
