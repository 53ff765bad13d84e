//! Reading what is derived from documents: from all partitions of the live generation.

use cqrs_core::{LiveGeneration, ProjectionName, ReadModelError, Target};
use futures::future::try_join_all;
use tokio::sync::watch;

use super::RedisReadModel;
use super::key::PartitionKeys;

/// The live generation of one projection, followed as [`Documents`](cqrs_core::Documents) does.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) model: RedisReadModel,
    projection: ProjectionName,
    known: watch::Sender<Option<LiveGeneration>>,
}

impl Live {
    pub(super) fn new(model: RedisReadModel, projection: ProjectionName) -> Self {
        Self { model, projection, known: watch::Sender::new(None) }
    }

    /// What `read` finds in each partition, all of the same generation, which was live afterwards: one that was swapped out
    /// and dropped meanwhile may have looked empty. Nothing where the projection was never opened.
    pub(super) async fn partitions<T, F>(&self, read: impl Fn(PartitionKeys) -> F) -> Result<Vec<T>, ReadModelError>
    where
        F: Future<Output = Result<T, ReadModelError>>,
    {
        self.follow(|live| try_join_all(live.partitions.all().map(|partition| read(self.keys(live, partition)))))
            .await
            .map(Option::unwrap_or_default)
    }

    /// What `read` finds in the partition of this document.
    pub(super) async fn partition_of<T, F>(
        &self,
        key: &str,
        read: impl Fn(PartitionKeys) -> F,
    ) -> Result<Option<T>, ReadModelError>
    where
        F: Future<Output = Result<T, ReadModelError>>,
    {
        self.follow(|live| read(self.keys(live, live.partitions.of(key)))).await
    }

    async fn follow<T, F>(&self, read: impl Fn(LiveGeneration) -> F) -> Result<Option<T>, ReadModelError>
    where
        F: Future<Output = Result<T, ReadModelError>>,
    {
        let mut known = *self.known.borrow();
        loop {
            let found = match known {
                Some(live) => Some(read(live).await),
                None => None,
            };
            let live = self.model.find_live(&self.projection).await?;
            if live == known {
                return found.transpose();
            }
            self.known.send_replace(live);
            known = live;
        }
    }

    fn keys(&self, live: LiveGeneration, partition: u16) -> PartitionKeys {
        let (projection, generation) = (self.projection.clone(), live.generation);
        self.model.prefix.partition(&Target { projection, generation, partition })
    }
}
