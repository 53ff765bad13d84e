//! Documents in memory.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;

use super::lock;
use crate::checkpoint_store::{Checkpoint, FencingToken, Generation};
use crate::name::ProjectionName;
use crate::read_model::{
    Batch, DocumentPage, ListCursor, LiveGeneration, Partitions, ReadModel, ReadModelError, StoredDocument, Target,
};
use crate::stream::GlobalPosition;

/// Documents in memory. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct InMemoryReadModel(Arc<Mutex<HashMap<ProjectionName, Projection>>>);

#[derive(Debug, Default)]
struct Projection {
    live: Option<Generation>,
    generations: BTreeMap<Generation, Filling>,
    /// The highest generation that ever existed: numbers are not used twice.
    highest: u32,
}

/// A generation that exists.
#[derive(Debug)]
struct Filling {
    partitions: Partitions,
    of: BTreeMap<u16, Partition>,
    note: Option<String>,
}

#[derive(Debug, Default)]
struct Partition {
    documents: BTreeMap<String, StoredDocument>,
    token: Option<FencingToken>,
    checkpoint: Option<Checkpoint>,
}

impl InMemoryReadModel {
    /// No documents yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Projection {
    fn begin(&mut self, partitions: Partitions) -> Generation {
        self.highest += 1;
        let generation = Generation::new(self.highest);
        self.generations.insert(generation, Filling { partitions, of: BTreeMap::new(), note: None });
        generation
    }

    fn live(&self) -> Option<LiveGeneration> {
        let generation = self.live?;
        self.generations.get(&generation).map(|filling| LiveGeneration { generation, partitions: filling.partitions })
    }

    fn filling(&mut self, generation: Generation) -> Result<&mut Filling, ReadModelError> {
        self.generations.get_mut(&generation).ok_or(ReadModelError::NotFound { generation })
    }

    fn partition(&mut self, target: &Target) -> Result<&mut Partition, ReadModelError> {
        Ok(self.filling(target.generation)?.of.entry(target.partition).or_default())
    }
}

#[async_trait]
impl ReadModel for InMemoryReadModel {
    async fn open(&self, projection: &ProjectionName, partitions: Partitions) -> Result<Generation, ReadModelError> {
        let mut all = lock(&self.0);
        let projection = all.entry(projection.clone()).or_default();
        match projection.live() {
            Some(live) => live.opened(partitions),
            None => {
                let first = projection.begin(partitions);
                projection.live = Some(first);
                Ok(first)
            }
        }
    }

    async fn live(&self, projection: &ProjectionName) -> Result<Option<LiveGeneration>, ReadModelError> {
        Ok(lock(&self.0).get(projection).and_then(Projection::live))
    }

    async fn generations(&self, projection: &ProjectionName) -> Result<Vec<Generation>, ReadModelError> {
        let all = lock(&self.0);
        Ok(all.get(projection).map(|projection| projection.generations.keys().copied().collect()).unwrap_or_default())
    }

    async fn begin(&self, projection: &ProjectionName, partitions: Partitions) -> Result<Generation, ReadModelError> {
        Ok(lock(&self.0).entry(projection.clone()).or_default().begin(partitions))
    }

    async fn swap(&self, projection: &ProjectionName, to: Generation) -> Result<(), ReadModelError> {
        let mut all = lock(&self.0);
        match all.get_mut(projection) {
            Some(projection) if projection.generations.contains_key(&to) => {
                projection.live = Some(to);
                Ok(())
            }
            _ => Err(ReadModelError::NotFound { generation: to }),
        }
    }

    async fn drop_generation(&self, projection: &ProjectionName, generation: Generation) -> Result<(), ReadModelError> {
        let mut all = lock(&self.0);
        let Some(projection) = all.get_mut(projection) else {
            return Ok(());
        };
        if projection.live == Some(generation) {
            return Err(ReadModelError::Live { generation });
        }
        projection.generations.remove(&generation);
        Ok(())
    }

    async fn fence(&self, target: &Target, token: FencingToken) -> Result<Option<Checkpoint>, ReadModelError> {
        let mut all = lock(&self.0);
        let partition = all.entry(target.projection.clone()).or_default().partition(target)?;
        match partition.token {
            Some(stored) if stored >= token => Err(ReadModelError::Fenced { stored, offered: token }),
            _ => {
                partition.token = Some(token);
                Ok(partition.checkpoint)
            }
        }
    }

    async fn checkpoint(&self, target: &Target) -> Result<(Option<FencingToken>, Option<Checkpoint>), ReadModelError> {
        let mut all = lock(&self.0);
        let partition = all.entry(target.projection.clone()).or_default().partition(target)?;
        Ok((partition.token, partition.checkpoint))
    }

    async fn load(&self, target: &Target, keys: &[String]) -> Result<Vec<Option<StoredDocument>>, ReadModelError> {
        let mut all = lock(&self.0);
        let partition = all.entry(target.projection.clone()).or_default().partition(target)?;
        Ok(keys.iter().map(|key| partition.documents.get(key).cloned()).collect())
    }

    async fn apply(&self, target: &Target, batch: Batch) -> Result<(), ReadModelError> {
        let mut all = lock(&self.0);
        let partition = all.entry(target.projection.clone()).or_default().partition(target)?;
        let offered = batch.checkpoint.token;
        if let Some(stored) = partition.token.filter(|stored| *stored > offered) {
            return Err(ReadModelError::Fenced { stored, offered });
        }
        let actual = partition.checkpoint.map_or(GlobalPosition::START, |checkpoint| checkpoint.position);
        if actual != batch.from {
            return match actual == batch.checkpoint.position {
                true => Ok(()),
                false => Err(ReadModelError::OutOfSequence { from: batch.from, actual }),
            };
        }
        for write in batch.documents {
            match write.document {
                None => partition.documents.remove(&write.key),
                document => {
                    partition.documents.insert(write.key, StoredDocument { document, position: write.position })
                }
            };
        }
        partition.token = Some(offered);
        partition.checkpoint = Some(batch.checkpoint);
        Ok(())
    }

    async fn list(
        &self,
        projection: &ProjectionName,
        generation: Generation,
        after: Option<&ListCursor>,
        limit: usize,
    ) -> Result<DocumentPage, ReadModelError> {
        let mut all = lock(&self.0);
        let filling = all.entry(projection.clone()).or_default().filling(generation)?;
        let after = after.and_then(ListCursor::partition_and_place);
        let (first, limit) = (after.map_or(0, |(partition, _)| partition), limit.max(1));
        let mut page = DocumentPage::default();
        for (partition, Partition { documents, .. }) in filling.of.range(first..) {
            let from = match after {
                Some((of, key)) if of == *partition => Bound::Excluded(key),
                _ => Bound::Unbounded,
            };
            for (key, document) in documents.range::<str, _>((from, Bound::Unbounded)) {
                page.documents.push((key.clone(), document.clone()));
                if page.documents.len() == limit {
                    page.next = Some(ListCursor::in_partition(*partition, key));
                    return Ok(page);
                }
            }
        }
        Ok(page)
    }

    async fn annotate(
        &self,
        projection: &ProjectionName,
        generation: Generation,
        note: &str,
    ) -> Result<(), ReadModelError> {
        let mut all = lock(&self.0);
        all.entry(projection.clone()).or_default().filling(generation)?.note = Some(note.to_owned());
        Ok(())
    }

    async fn note(
        &self,
        projection: &ProjectionName,
        generation: Generation,
    ) -> Result<Option<String>, ReadModelError> {
        let all = lock(&self.0);
        let filling = all.get(projection).and_then(|projection| projection.generations.get(&generation));
        Ok(filling.and_then(|filling| filling.note.clone()))
    }
}
