//! Typed reads of documents by key.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use tokio::sync::watch;

use super::key::is_lookup;
use super::{LiveGeneration, Partitions, ReadModel, ReadModelError, StoredDocument, Target};
use crate::checkpoint_store::Generation;
use crate::name::{InvalidName, ProjectionName};

/// The documents of one projection, read by key from its live generation, or from one that is kept beside it.
pub struct Documents<D> {
    model: Arc<dyn ReadModel>,
    projection: ProjectionName,
    /// The generation that was live at the last read: asked for first, and checked in the same round trip.
    live: watch::Sender<Option<LiveGeneration>>,
    /// The generation that is read whatever is live.
    fixed: Option<LiveGeneration>,
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
            fixed: None,
            document: PhantomData,
        })
    }

    /// The documents of one generation, whatever is live: one that is kept, with so many partitions. Once it was dropped,
    /// reading fails as [`ReadModelError::NotFound`].
    #[must_use]
    pub fn in_generation(mut self, generation: Generation, partitions: Partitions) -> Self {
        self.fixed = Some(LiveGeneration { generation, partitions });
        self
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
        let Some((stored, generation)) = self.find(keys).await? else {
            return Ok(keys.iter().map(|_| None).collect());
        };
        stored.into_iter().zip(keys).map(|(stored, key)| decode(stored, key, generation)).collect()
    }

    /// The documents with these keys as they are kept, with the positions that they reflect, in their order.
    ///
    /// # Errors
    /// [`ReadModelError`] when the sink cannot be read.
    pub async fn stored(&self, keys: &[String]) -> Result<Vec<Option<StoredDocument>>, ReadModelError> {
        Ok(self.find(keys).await?.map_or_else(|| vec![None; keys.len()], |(stored, _)| stored))
    }

    /// What the generation keeps that is read, and which that was; `None` when the projection was never opened.
    async fn find(&self, keys: &[String]) -> Result<Option<(Vec<Option<StoredDocument>>, Generation)>, ReadModelError> {
        if let Some(fixed) = self.fixed {
            let (stored, generation) = (self.load(fixed, keys).await?, fixed.generation);
            // To some sinks a generation that was dropped looks empty.
            if stored.iter().any(Option::is_none) {
                let all = self.model.generations(&self.projection).await?;
                all.contains(&generation).then_some(()).ok_or(ReadModelError::NotFound { generation })?;
            }
            return Ok(Some((stored, generation)));
        }
        loop {
            let known = *self.live.borrow();
            let Some(from) = known else {
                match self.model.live(&self.projection).await? {
                    None => return Ok(None),
                    found => {
                        self.live.send_replace(found);
                        continue;
                    }
                }
            };
            let (stored, live) = tokio::join!(self.load(from, keys), self.model.live(&self.projection));
            let mut live = live?;
            // A generation that was swapped out and dropped meanwhile looks empty.
            if live == known && !matches!(&stored, Ok(found) if found.iter().all(Option::is_some)) {
                live = self.model.live(&self.projection).await?;
            }
            if live != known {
                self.live.send_replace(live);
                continue;
            }
            return Ok(Some((stored?, from.generation)));
        }
    }

    /// Each document from its partition, all partitions at once.
    async fn load(&self, from: LiveGeneration, keys: &[String]) -> Result<Vec<Option<StoredDocument>>, ReadModelError> {
        let target = |partition| Target { projection: self.projection.clone(), generation: from.generation, partition };
        let mut wanted: BTreeMap<u16, (Vec<usize>, Vec<String>)> = BTreeMap::new();
        for (place, key) in keys.iter().enumerate().filter(|(_, key)| !is_lookup(key)) {
            let (places, of_partition) = wanted.entry(from.partitions.of(key)).or_default();
            places.push(place);
            of_partition.push(key.clone());
        }
        let loads = wanted.into_iter().map(|(partition, (places, keys))| async move {
            Ok((places, self.model.load(&target(partition), &keys).await?))
        });
        let mut found = vec![None; keys.len()];
        for (places, stored) in futures::future::try_join_all(loads).await? {
            for (place, stored) in places.into_iter().zip(stored) {
                found[place] = stored;
            }
        }
        Ok(found)
    }
}

impl<D> fmt::Debug for Documents<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Documents").field("projection", &self.projection).finish_non_exhaustive()
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
