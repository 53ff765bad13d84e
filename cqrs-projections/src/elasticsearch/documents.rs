//! Documents by key, and batches of them.

use cqrs_core::{Batch, GlobalPosition, Payload, ReadModelError, StoredDocument, Target, is_lookup};
use futures::{StreamExt, TryStreamExt, stream};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::ElasticReadModel;
use super::bulk::TOMBSTONE;
use super::checkpoints::Stored;
use super::error::{self, ServerError};
use super::generations::TRIES;
use super::key;

/// How many documents one request asks for.
const LOAD_AT_ONCE: usize = 500;

/// How many requests for documents are under way at the same time.
const LOADS_AT_ONCE: usize = 4;

#[derive(Deserialize)]
struct Found<'a> {
    #[serde(rename = "_version")]
    version: Option<u64>,
    #[serde(rename = "_source", borrow)]
    source: Option<&'a RawValue>,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Docs<'a> {
    #[serde(borrow)]
    docs: Vec<Found<'a>>,
}

impl ElasticReadModel {
    pub(super) async fn load_documents(
        &self,
        target: &Target,
        keys: &[String],
    ) -> Result<Vec<Option<StoredDocument>>, ReadModelError> {
        if keys.is_empty() {
            // Whether the generation exists is an answer, too.
            return self.checkpoints().read(target).await.map(|_| Vec::new());
        }
        let chunks: Vec<_> = keys.chunks(LOAD_AT_ONCE).map(|keys| self.load_at_once(target, keys)).collect();
        stream::iter(chunks).buffered(LOADS_AT_ONCE).try_concat().await
    }

    async fn load_at_once(
        &self,
        target: &Target,
        keys: &[String],
    ) -> Result<Vec<Option<StoredDocument>>, ReadModelError> {
        let path = format!("{}/_mget", self.names.write(&target.projection, target.generation));
        let ids: Vec<_> = keys.iter().map(|key| key::id(key)).collect();
        let answer = self.client.post(&path, &[], &json!({ "ids": ids })).await?.ok()?;
        let found = answer.json::<Docs<'_>>()?.docs;
        if found.len() != keys.len() {
            let what = format!("{} answers to {} keys", found.len(), keys.len());
            return Err(ReadModelError::Corrupt { what });
        }
        found.into_iter().zip(keys).map(|(found, key)| found.into_document(target, key)).collect()
    }

    /// Documents first, their checkpoint after them.
    pub(super) async fn apply_batch(&self, target: &Target, batch: Batch) -> Result<(), ReadModelError> {
        let checkpoint = batch.checkpoint;
        let (mut stored, mut seen) = self.checkpoints().read(target).await?;
        if check(&batch, stored)? == Applied::Already {
            return Ok(());
        }
        self.write_documents(target, &batch.documents).await?;
        for _ in 0..TRIES {
            let next = Stored { token: Some(checkpoint.token), checkpoint: Some(checkpoint) };
            if self.checkpoints().replace(target, seen, next).await? {
                return Ok(());
            }
            (stored, seen) = self.checkpoints().read(target).await?;
            if check(&batch, stored)? == Applied::Already {
                return Ok(());
            }
        }
        Err(error::contended("the checkpoint"))
    }
}

impl Found<'_> {
    fn into_document(self, target: &Target, key: &str) -> Result<Option<StoredDocument>, ReadModelError> {
        if let Some(refused) = self.error {
            return Err(ServerError::of_get(&target.to_string(), &refused).at(target.generation));
        }
        let (Some(version), Some(source)) = (self.version, self.source) else { return Ok(None) };
        let position = GlobalPosition::new(version);
        let document = match source.get() {
            TOMBSTONE => None,
            json if is_lookup(key) => Some(lookup(json)?),
            json => Some(Payload::from_bytes(json.as_bytes().to_vec())),
        };
        Ok(Some(StoredDocument { document, position }))
    }
}

fn lookup(json: &str) -> Result<Payload, ReadModelError> {
    #[derive(Deserialize)]
    struct Hidden {
        cqrs_lookup: String,
    }
    let hidden: Hidden = serde_json::from_str(json).map_err(|error| ReadModelError::Corrupt {
        what: format!("a lookup was not written by this read model: {error}"),
    })?;
    Ok(Payload::from_bytes(hidden.cqrs_lookup))
}

#[derive(Debug, PartialEq, Eq)]
enum Applied {
    NotYet,
    Already,
}

fn check(batch: &Batch, stored: Stored) -> Result<Applied, ReadModelError> {
    let offered = batch.checkpoint.token;
    if let Some(stored) = stored.token.filter(|stored| *stored > offered) {
        return Err(ReadModelError::Fenced { stored, offered });
    }
    let actual = stored.checkpoint.map_or(GlobalPosition::START, |checkpoint| checkpoint.position);
    if actual == batch.from {
        Ok(Applied::NotYet)
    } else if actual == batch.checkpoint.position {
        Ok(Applied::Already)
    } else {
        Err(ReadModelError::OutOfSequence { from: batch.from, actual })
    }
}
