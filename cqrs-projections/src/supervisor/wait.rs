//! Waiting until documents reflect a position.

use std::sync::Arc;
use std::time::Duration;

use cqrs_core::{GlobalPosition, ProjectionName, ReadModelError};

use super::partition::Partition;
use super::projection::Projection;
use super::status::{ProjectionState, StopReason};
use crate::error::ProjectionError;

/// How long a read model is left alone that could not do it.
const AGAIN: Duration = Duration::from_millis(50);

/// Why a wait ended before the position was reached.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum WaitError {
    /// The time is up. The projections go on.
    #[error("not all projections have reached position {position} in time: {}", list(.lagging))]
    Timeout {
        /// The position that was waited for.
        position: GlobalPosition,
        /// Those that have not reached it.
        lagging: Vec<Lagging>,
    },
    /// The read model could not make what it has stored searchable. The documents can be read by key.
    #[error("the documents of {name} cannot be searched")]
    NotSearchable {
        /// The projection.
        name: ProjectionName,
        /// What failed.
        source: ReadModelError,
    },
    /// A projection has stopped before the position and will not reach it.
    #[error("projection {name} has stopped at position {at}")]
    Stopped {
        /// The projection.
        name: ProjectionName,
        /// Where it has stopped.
        at: GlobalPosition,
        /// The error that stopped it; `None` when it was asked to stop.
        source: Option<ProjectionError>,
    },
    /// There is no projection of this name.
    #[error("there is no projection {name:?}")]
    UnknownProjection {
        /// The name.
        name: String,
    },
}

/// A projection that is behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lagging {
    /// Its name.
    pub name: ProjectionName,
    /// Everything up to here is in its documents.
    pub at: GlobalPosition,
}

fn list(lagging: &[Lagging]) -> String {
    let each: Vec<_> = lagging.iter().map(|one| format!("{} is at {}", one.name, one.at)).collect();
    each.join(", ")
}

pub(super) async fn wait_for(
    projections: impl Iterator<Item = &Arc<Projection>> + Clone,
    position: GlobalPosition,
    timeout: Duration,
) -> Result<(), WaitError> {
    // As long as somebody waits, the partitions of other processes are looked at.
    let _waiting: Vec<_> = projections.clone().map(Waiting::new).collect();
    let each = projections.clone().flat_map(|one| one.partitions.iter().map(move |part| reached(one, part, position)));
    let each = futures::future::try_join_all(each);
    let Ok(reached) = tokio::time::timeout(timeout, each).await else {
        let behind = projections.map(|one| Lagging { name: one.name.clone(), at: one.position() });
        return Err(WaitError::Timeout { position, lagging: behind.filter(|one| one.at < position).collect() });
    };
    reached.map(drop)
}

/// Waits until a search finds all up to a position. Of many who wait at the same time, one has the read model make it so for
/// all whose documents are stored by then.
pub(super) async fn wait_until_searchable(
    projection: &Arc<Projection>,
    position: GlobalPosition,
    timeout: Duration,
) -> Result<(), WaitError> {
    let name = &projection.name;
    let searchable = async {
        wait_for([projection].into_iter(), position, timeout).await?;
        loop {
            let mut searchable = projection.searchable.lock().await;
            let before = (projection.generation(), projection.position());
            if searchable.0 == before.0 && searchable.1 >= position {
                return Ok(());
            }
            match projection.model.make_searchable(name).await {
                // Unless a generation went live meanwhile.
                Ok(()) if projection.generation() == before.0 => *searchable = before,
                Ok(()) => {}
                Err(error) if error.is_transient() => {
                    drop(searchable);
                    tracing::debug!(projection = %name, %error, "the documents are not searchable yet");
                    tokio::time::sleep(AGAIN).await;
                }
                Err(source) => return Err(WaitError::NotSearchable { name: name.clone(), source }),
            }
        }
    };
    match tokio::time::timeout(timeout, searchable).await {
        Ok(done) => done,
        Err(_) => {
            let lagging = vec![Lagging { name: name.clone(), at: projection.position() }];
            Err(WaitError::Timeout { position, lagging })
        }
    }
}

/// One who waits.
struct Waiting<'a>(&'a Projection);

impl<'a> Waiting<'a> {
    fn new(projection: &'a Arc<Projection>) -> Self {
        projection.waiting.send_modify(|count| *count += 1);
        Self(projection)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.send_modify(|count| *count -= 1);
    }
}

async fn reached(projection: &Projection, partition: &Partition, position: GlobalPosition) -> Result<(), WaitError> {
    let mut progress = partition.progress.subscribe();
    let stopped = |source| WaitError::Stopped { name: projection.name.clone(), at: projection.position(), source };
    let seen = progress
        .wait_for(|now| now.position >= position || matches!(now.state, ProjectionState::Stopped(_)))
        .await
        .map_err(|_| stopped(None))?;
    match seen.state {
        _ if seen.position >= position => Ok(()),
        ProjectionState::Stopped(StopReason::Failed) => {
            let (at, source) = (seen.position, seen.error.clone());
            Err(WaitError::Stopped { name: projection.name.clone(), at, source })
        }
        _ => Err(WaitError::Stopped { name: projection.name.clone(), at: seen.position, source: None }),
    }
}
