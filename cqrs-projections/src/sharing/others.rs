//! Where the partitions stand that other processes write: by their checkpoints in the sink.

use std::sync::Arc;
use std::time::Duration;

use cqrs_core::{GlobalPosition, LiveGeneration, ReadModelError};
use futures::future::try_join_all;

use crate::supervisor::{Partition, Projection, Waits};

/// How often somebody who waits has the checkpoints read.
const POLL: Duration = Duration::from_millis(20);

/// Reads the checkpoints of the others for as long as somebody waits for them: once for all who wait.
pub(crate) async fn follow_others(projection: Arc<Projection>) {
    let mut waiting = projection.waiting.subscribe();
    loop {
        if waiting.wait_for(Waits::any).await.is_err() {
            return;
        }
        if let Err(error) = look_at_others(&projection).await {
            tracing::debug!(projection = %projection.name, %error, "the checkpoints of other processes cannot be read");
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Reads the checkpoints of the partitions that others write.
pub(crate) async fn look_at_others(projection: &Projection) -> Result<(), ReadModelError> {
    let of_others: Vec<&Partition> =
        projection.partitions.iter().map(|partition| &**partition).filter(|partition| !partition.is_mine()).collect();
    if of_others.is_empty() {
        return Ok(());
    }
    // This process may have no runner to find out that the sink is back.
    let Some(_permit) = projection.breaker.try_admit() else {
        return Ok(());
    };
    let live = projection.model.live(&projection.name).await?;
    let Some(LiveGeneration { generation, .. }) = live.filter(|live| live.partitions == projection.count) else {
        return Ok(());
    };
    let reads = of_others.into_iter().map(|partition| async move {
        let target = projection.target(generation, partition.number);
        projection.model.checkpoint(&target).await.map(|(_, checkpoint)| (partition, checkpoint))
    });
    for (partition, checkpoint) in try_join_all(reads).await? {
        partition.seen(generation, checkpoint.map_or(GlobalPosition::START, |checkpoint| checkpoint.position));
    }
    Ok(())
}
