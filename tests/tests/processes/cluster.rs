//! Processes that project the same ledger into the same read model.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use cqrs_core::{EventStore, GlobalPosition, Lease, LeaseStore, ReadModel, Target};
use cqrs_postgres::{PgEventStore, PgLeaseStore};
use cqrs_tests::database::Database;
use cqrs_tests::ledger::{NAME, folded, go_on, kept};
use cqrs_tests::sink::{Corner, Service, Sink};
use cqrs_tests::wait::until;
use cqrs_tests::worker::{Place, Task, Worker};
use tokio::task::JoinHandle;

/// Long enough for a busy machine, and short enough to wait for.
pub const LEASE: Duration = Duration::from_secs(2);

pub struct Cluster {
    pub store: PgEventStore,
    pub leases: PgLeaseStore,
    pub model: Arc<dyn ReadModel>,
    pub corner: Corner,
    pub partitions: u16,
    database: Database,
}

impl Cluster {
    pub async fn new(service: Service, partitions: u16) -> Self {
        let database = Database::new();
        let store = database.migrated().await;
        let (leases, corner) = (store.leases(), Corner::new(service).await);
        Self { leases, model: corner.sink.connect().await, store, corner, partitions, database }
    }

    pub fn process(&self, label: &str) -> Worker {
        self.process_at(label, self.corner.sink.clone())
    }

    pub fn process_at(&self, label: &str, sink: Sink) -> Worker {
        let store = Place {
            url: self.database.url.clone(),
            schema: self.database.schema.clone(),
            attempt_timeout: Duration::from_secs(10),
        };
        let label = label.to_owned();
        let task = Task::Project { store, sink, partitions: self.partitions, lease_time: LEASE, label };
        Worker::start(Path::new(env!("CARGO_BIN_EXE_worker")), &task)
    }

    /// How many partitions each process writes, by its label.
    pub async fn shares(&self) -> BTreeMap<String, usize> {
        let leases = self.leases.leases(&NAME.parse().unwrap()).await.unwrap();
        let mut shares = BTreeMap::new();
        for (lease, holder) in leases.held {
            if let Lease::Partition(_) = lease {
                let label = holder.as_str().split('@').next().unwrap_or_default().to_owned();
                *shares.entry(label).or_default() += 1;
            }
        }
        shares
    }

    /// Waits until these processes write so many partitions each.
    pub async fn shared<const N: usize>(&self, expected: [(&str, usize); N]) {
        let expected: BTreeMap<_, _> = expected.map(|(label, share)| (label.to_owned(), share)).into();
        until("the partitions are shared", || async { (self.shares().await == expected).then_some(()) }).await;
    }

    /// The newest token and the position of each partition of the live generation.
    pub async fn checkpoints(&self) -> Vec<(u64, u64)> {
        let name = NAME.parse().unwrap();
        let Some(live) = self.model.live(&name).await.unwrap() else {
            return Vec::new();
        };
        let mut all = Vec::new();
        for partition in live.partitions.all() {
            let target = Target { projection: name.clone(), generation: live.generation, partition };
            let (token, checkpoint) = self.model.checkpoint(&target).await.unwrap();
            let position = checkpoint.map_or(0, |checkpoint| checkpoint.position.get());
            all.push((token.map_or(0, |token| token.get()), position));
        }
        all
    }

    /// Waits until all partitions have come to the end of the log as it is now.
    pub async fn goes_on(&self) {
        let head = self.head().await.get();
        until("the documents go on", || async {
            let checkpoints = self.checkpoints().await;
            (!checkpoints.is_empty() && checkpoints.iter().all(|(_, position)| *position >= head)).then_some(())
        })
        .await;
    }

    pub async fn head(&self) -> GlobalPosition {
        self.store.head().await.unwrap().position
    }

    pub async fn assert_right(&self) {
        self.goes_on().await;
        assert_eq!(kept(&self.model).await, folded(&self.store).await);
    }

    /// Money moves all the while, and nothing that is checked ever goes back.
    pub fn under_load(&self) -> Load {
        let ended = Arc::new(AtomicBool::new(false));
        let (writing, store) = (Arc::clone(&ended), self.store.clone());
        let seed = AtomicU64::new(1);
        let writer = tokio::spawn(async move {
            while !writing.load(Ordering::Relaxed) {
                go_on(&store, seed.fetch_add(1, Ordering::Relaxed)).await;
                tokio::time::sleep(Duration::from_millis(4)).await;
            }
        });
        let (watching, model) = (Arc::clone(&ended), Arc::clone(&self.model));
        let watcher = tokio::spawn(async move {
            let mut newest = BTreeMap::new();
            while !watching.load(Ordering::Relaxed) {
                watch(&*model, &mut newest).await;
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        });
        Load { ended, tasks: [writer, watcher] }
    }
}

/// Tokens and checkpoints of a partition only ever rise.
async fn watch(model: &dyn ReadModel, newest: &mut BTreeMap<String, (u64, u64)>) {
    let name = NAME.parse().unwrap();
    let Some(live) = model.live(&name).await.unwrap() else {
        return;
    };
    for partition in live.partitions.all() {
        let target = Target { projection: name.clone(), generation: live.generation, partition };
        // A generation that was replaced meanwhile has none.
        let Ok((Some(token), checkpoint)) = model.checkpoint(&target).await else {
            continue;
        };
        let now = (token.get(), checkpoint.map_or(0, |checkpoint| checkpoint.position.get()));
        let before = newest.insert(target.to_string(), now).unwrap_or_default();
        let written_under = checkpoint.map_or(0, |checkpoint| checkpoint.token.get());
        assert!(now.0 >= before.0 && now.1 >= before.1, "{target} went back from {before:?} to {now:?}");
        assert!(written_under <= now.0, "{target} was written under {written_under}, newer than {}", now.0);
    }
}

pub struct Load {
    ended: Arc<AtomicBool>,
    tasks: [JoinHandle<()>; 2],
}

impl Load {
    pub async fn ends(self) {
        self.ended.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
    }
}

pub async fn ended(mut process: Worker) {
    process.tell_to_end();
    process.ended().await;
}
