//! A process that keeps sheets and cards up to date, together with others, or rebuilds the sheets.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cqrs_projections::{
    Backoff, ErrorDecision, ErrorPolicy, PartitionOwner, ProjectionError, Projections, RetryTransient,
};

use super::{Place, Question, questions};
use crate::cards::{self, Cards};
use crate::ledger::{self, Sheets};
use crate::sink::Sink;
use crate::wait::AT_MOST;

pub(super) async fn project(
    store: Place,
    sink: Sink,
    timeout: Duration,
    partitions: u16,
    lease_time: Duration,
    label: String,
) {
    let store = store.options().connect().await.unwrap();
    let model = sink.connect(timeout).await;
    let policy = Counting::default();
    let running = Projections::new(store.clone())
        .add(ledger::NAME, Sheets(partitions), model.clone())
        .add_join(cards::NAME, Cards(partitions), model)
        .leases(store.leases())
        .lease_time(lease_time)
        .label(label)
        .error_policy(policy.clone())
        .start()
        .await
        .unwrap();
    let mut questions = questions();
    while let Some(question) = questions.recv().await {
        let answer = match serde_json::from_str(&question).unwrap() {
            Question::Reach(position) => {
                running.wait_for(position, AT_MOST).await.unwrap();
                position.get()
            }
            Question::Failures => policy.failures.load(Ordering::Relaxed),
            Question::Owned => {
                let status = running.status().await;
                let partitions = status.iter().flat_map(|projection| &projection.partitions);
                partitions.filter(|partition| partition.owner == PartitionOwner::ThisProcess).count() as u64
            }
        };
        println!("{answer}");
    }
    running.stop().await;
}

pub(super) async fn rebuild(store: Place, sink: Sink, partitions: u16, events_per_second: u32, progress: PathBuf) {
    let store = store.options().connect().await.unwrap();
    let projections = Projections::new(store).add(ledger::NAME, Sheets(partitions), sink.connect(AT_MOST).await);
    let running = projections.start().await.unwrap();
    let rebuild = running.rebuild(ledger::NAME).throttle(events_per_second).progress(move |now| {
        // A reader sees the one number or the other.
        let next = progress.with_extension("next");
        std::fs::write(&next, now.events.to_string()).unwrap();
        std::fs::rename(&next, &progress).unwrap();
    });
    rebuild.await.unwrap();
    running.stop().await;
}

/// The default policy, faster, which counts what it is told.
#[derive(Debug, Clone, Default)]
struct Counting {
    failures: Arc<AtomicU64>,
}

impl ErrorPolicy for Counting {
    fn decide(&self, error: &ProjectionError, attempt: u32) -> ErrorDecision {
        self.failures.fetch_add(1, Ordering::Relaxed);
        let quick = Backoff::new(Duration::from_millis(5), Duration::from_millis(100));
        RetryTransient::new(quick).decide(error, attempt)
    }
}
