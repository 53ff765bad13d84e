//! Waiting until documents reflect a position.

use std::sync::Arc;
use std::time::Duration;

use cqrs_core::{DeadLetterCount, GlobalPosition, ProjectionName, ReadModelError};

use super::partition::Partition;
use super::progress::Parked;
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

/// What was reached: everything up to the position is in the documents, but for dead letters.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Reached {
    /// The projections that have dead letters, whatever their positions: some of their documents may not reflect all events.
    /// [`DeadLetters::list`](crate::DeadLetters::list) tells which.
    pub dead_letters: Vec<DeadLettersOf>,
}

/// The dead letters of a projection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLettersOf {
    /// Its name.
    pub name: ProjectionName,
    /// How many wait.
    pub count: DeadLetterCount,
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
) -> Result<Reached, WaitError> {
    // As long as somebody waits, the partitions of other processes are looked at, and what this one has gathered is written.
    let _waiting: Vec<_> = projections.clone().map(|one| Waiting::new(one, position)).collect();
    let each = projections.clone().flat_map(|one| one.partitions.iter().map(move |part| reached(one, part, position)));
    let each = futures::future::try_join_all(each);
    let Ok(reached) = tokio::time::timeout(timeout, each).await else {
        let behind = projections.map(|one| Lagging { name: one.name.clone(), at: one.position() });
        return Err(WaitError::Timeout { position, lagging: behind.filter(|one| one.at < position).collect() });
    };
    reached?;
    let with_letters = projections.filter(|projection| may_have_letters(projection)).map(|one| async move {
        let count = one.dead_letters().await.unwrap_or_else(|| known_letters(one));
        (count != DeadLetterCount::default()).then(|| DeadLettersOf { name: one.name.clone(), count })
    });
    Ok(Reached { dead_letters: futures::future::join_all(with_letters).await.into_iter().flatten().collect() })
}

/// Whether the store of dead letters must be asked: mostly this process knows that there are none.
fn may_have_letters(projection: &Projection) -> bool {
    let known = |partition: &Partition| partition.is_mine() && partition.progress.borrow().parked == Parked::default();
    projection.letters.is_some() && !projection.partitions.iter().all(|partition| known(partition))
}

/// What this process knows of those that it writes.
fn known_letters(projection: &Projection) -> DeadLetterCount {
    let mut count = DeadLetterCount::default();
    for partition in projection.partitions.iter().filter(|partition| partition.is_mine()) {
        let Parked { documents, without_document } = partition.progress.borrow().parked;
        count.documents += documents;
        // At least the first one of each.
        count.letters += documents;
        count.without_document += without_document;
    }
    count
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
struct Waiting<'a>(&'a Projection, GlobalPosition);

impl<'a> Waiting<'a> {
    fn new(projection: &'a Arc<Projection>, position: GlobalPosition) -> Self {
        projection.waiting.send_modify(|waits| waits.begin(position));
        Self(projection, position)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.send_modify(|waits| waits.end(self.1));
    }
}

async fn reached(projection: &Projection, partition: &Partition, position: GlobalPosition) -> Result<(), WaitError> {
    let mut progress = partition.progress.subscribe();
    let stopped = |source| WaitError::Stopped { name: projection.name.clone(), at: projection.position(), source };
    let seen = progress
        .wait_for(|now| now.reached() >= position || matches!(now.state, ProjectionState::Stopped(_)))
        .await
        .map_err(|_| stopped(None))?;
    match seen.state {
        _ if seen.reached() >= position => Ok(()),
        ProjectionState::Stopped(StopReason::Failed) => {
            let (at, source) = (seen.reached(), seen.error.clone());
            Err(WaitError::Stopped { name: projection.name.clone(), at, source })
        }
        _ => Err(WaitError::Stopped { name: projection.name.clone(), at: seen.reached(), source: None }),
    }
}
