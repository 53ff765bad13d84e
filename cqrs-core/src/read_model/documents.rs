//! Typed reads of documents by key.

use std::marker::PhantomData;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use tokio::sync::watch;

use super::{ReadModel, ReadModelError, StoredDocument, Target};
use crate::checkpoint_store::Generation;
use crate::name::{InvalidName, ProjectionName};

/// The documents of one projection, read by key from its live generation.
#[derive(Debug)]
pub struct Documents<D> {
    model: Arc<dyn ReadModel>,
    projection: ProjectionName,
    /// The generation that was live at the last read: asked for first, and checked in the same round trip.
    live: watch::Sender<Option<Generation>>,
    document: PhantomData<fn() -> D>,
}

impl<D: DeserializeOwned> Documents<D> {
    /// The documents that `projection` keeps in `model`.
    ///
    /// # Errors
    /// [`InvalidName`] when no projection can have this name.
    pub fn new(model: impl ReadModel, projection: &str) -> Result<Self, InvalidName> {
        Ok(Self {
            model: Arc::new(model),
            projection: ProjectionName::new(projection)?,
            live: watch::Sender::new(None),
            document: PhantomData,
        })
    }

    /// The document with this key; `None` when there is none.
    ///
    /// # Errors
    /// [`ReadModelError::Corrupt`] when it is not a `D`, others when the sink cannot be read.
    pub async fn get(&self, key: &str) -> Result<Option<D>, ReadModelError> {
        Ok(self.get_many(&[key.to_owned()]).await?.pop().flatten())
    }

    /// The documents with these keys, in their order.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn get_many(&self, keys: &[String]) -> Result<Vec<Option<D>>, ReadModelError> {
        loop {
            let known = *self.live.borrow();
            let Some(generation) = known else {
                match self.model.live(&self.projection).await? {
                    None => return Ok(keys.iter().map(|_| None).collect()),
                    found => {
                        self.live.send_replace(found);
                        continue;
                    }
                }
            };
            let target = Target { projection: self.projection.clone(), generation, partition: 0 };
            let (stored, live) = tokio::join!(self.model.load(&target, keys), self.model.live(&self.projection));
            let mut live = live?;
            // A generation that was swapped out and dropped meanwhile looks empty.
            if live == known && !matches!(&stored, Ok(found) if found.iter().all(Option::is_some)) {
                live = self.model.live(&self.projection).await?;
            }
            if live != known {
                self.live.send_replace(live);
                continue;
            }
            return stored?.into_iter().zip(keys).map(|(stored, key)| decode(stored, key, generation)).collect();
        }
    }
}

fn decode<D: DeserializeOwned>(
    stored: Option<StoredDocument>,
    key: &str,
    generation: Generation,
) -> Result<Option<D>, ReadModelError> {
    let Some(document) = stored.and_then(|stored| stored.document) else {
        return Ok(None);
    };
    document.decode().map(Some).map_err(|error| ReadModelError::Corrupt {
        what: format!("document {key:?} of generation {generation}: {error}"),
    })
}
