//! Finding what is marked for replay: by this process, which is woken, or by another one.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::supervisor::Projection;

/// How often it is looked what other processes have marked.
const POLL: Duration = Duration::from_secs(1);

/// Wakes the runners of partitions that have documents to replay.
pub(super) async fn watch_replays(projection: Arc<Projection>) {
    let Some(letters) = projection.letters.clone() else { return };
    loop {
        let _ = tokio::time::timeout(POLL, projection.marked.notified()).await;
        let mine = || projection.partitions.iter().filter(|partition| partition.is_mine());
        let generations: BTreeSet<_> = mine().filter_map(|one| one.progress.borrow().generation).collect();
        for generation in generations {
            match letters.partitions_to_replay(&projection.name, generation).await {
                Ok(marked) => mine()
                    .filter(|partition| marked.contains(&partition.number))
                    .for_each(|partition| partition.replays.notify_one()),
                Err(error) => {
                    tracing::debug!(projection = %projection.name, %error, "it is not known what is to be replayed");
                }
            }
        }
    }
}
