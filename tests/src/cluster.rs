//! Processes that project the same ledger into the same read model.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use cqrs_core::{EventStore, GlobalPosition, Lease, LeaseStore, ReadModel, ReadModelError, Target};
use cqrs_postgres::{PgEventStore, PgLeaseStore};
use tokio::task::JoinHandle;

use crate::database::Database;
use crate::sink::{Corner, Service, Sink};
use crate::wait::until;
use crate::worker::{Place, Task, Worker};
use crate::{cards, ledger};

/// Long enough for a busy machine, and short enough to wait for.
pub const LEASE: Duration = Duration::from_secs(2);

/// How long the sink's answers may take.
pub const TIMEOUT: Duration = Duration::from_secs(3);

/// What is projected.
const PROJECTIONS: [&str; 2] = [ledger::NAME, cards::NAME];

/// A store and a read model, and the processes between them.
#[derive(Debug)]
pub struct Cluster {
    /// The store.
    pub store: PgEventStore,
    /// Who projects what.
    pub leases: PgLeaseStore,
    /// The read model.
    pub model: Arc<dyn ReadModel>,
    /// Where it is.
    pub corner: Corner,
    partitions: u16,
    program: PathBuf,
    database: Database,
    /// What happens next follows from it.
    seed: Arc<AtomicU64>,
}

impl Cluster {
    /// On the services of the tests. `program` is the worker.
    ///
    /// # Panics
    /// When they are not reached.
    pub async fn new(program: &str, service: Service, partitions: u16) -> Self {
        Self::over(program, Database::new(), Corner::new(service).await, partitions).await
    }

    /// With a store in this database and a read model in this corner.
    ///
    /// # Panics
    /// When they are not reached.
    pub async fn over(program: &str, database: Database, corner: Corner, partitions: u16) -> Self {
        let store = database.migrated().await;
        let (leases, model) = (store.leases(), corner.sink.connect(TIMEOUT).await);
        Self { store, leases, model, corner, partitions, program: program.into(), database, seed: Arc::default() }
    }

    /// Starts a process.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn process(&self, label: &str) -> Worker {
        self.process_at(label, self.corner.sink.clone())
    }

    /// Starts a process that reaches the read model by another address.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn process_at(&self, label: &str, sink: Sink) -> Worker {
        let store = Place {
            url: self.database.url.clone(),
            schema: self.database.schema.clone(),
            attempt_timeout: Duration::from_secs(10),
        };
        let (partitions, label) = (self.partitions, label.to_owned());
        let task = Task::Project { store, sink, timeout: TIMEOUT, partitions, lease_time: LEASE, label };
        Worker::start(&self.program, &task)
    }

    /// How many partitions of a projection each process writes, by its label. `None` while nobody knows.
    async fn shares(&self, projection: &str) -> Option<BTreeMap<String, usize>> {
        let leases = self.leases.leases(&projection.parse().unwrap()).await.ok()?;
        let mut shares = BTreeMap::new();
        for (lease, holder) in leases.held {
            if let Lease::Partition(_) = lease {
                let label = holder.as_str().split('@').next().unwrap_or_default().to_owned();
                *shares.entry(label).or_default() += 1;
            }
        }
        Some(shares)
    }

    /// Waits until these processes write so many partitions of each projection.
    ///
    /// # Panics
    /// When they do not within a minute.
    pub async fn shared<const N: usize>(&self, expected: [(&str, usize); N]) {
        let expected: BTreeMap<_, _> = expected.map(|(label, share)| (label.to_owned(), share)).into();
        for projection in PROJECTIONS {
            let is_shared = || async { (self.shares(projection).await? == expected).then_some(()) };
            until(&format!("{projection} are shared as {expected:?}"), is_shared).await;
        }
    }

    /// Waits until all partitions have come to the end of the log as it is now.
    ///
    /// # Panics
    /// When they do not within a minute.
    pub async fn goes_on(&self) {
        let head = self.head().await;
        for projection in PROJECTIONS {
            until(&format!("the {projection} go on"), || async {
                let targets = live_targets(&*self.model, projection).await.ok()?;
                for target in &targets {
                    let (_, checkpoint) = self.model.checkpoint(target).await.ok()?;
                    checkpoint.filter(|checkpoint| checkpoint.position >= head)?;
                }
                (!targets.is_empty()).then_some(())
            })
            .await;
        }
    }

    /// The end of the log.
    ///
    /// # Panics
    /// When the store does not tell it within a minute.
    pub async fn head(&self) -> GlobalPosition {
        until("the store answers", || async { self.store.head().await.ok() }).await.position
    }

    /// Waits for the processes, and compares the documents with those that are folded from the log in memory.
    ///
    /// # Panics
    /// When they differ.
    pub async fn assert_right(&self) {
        self.goes_on().await;
        assert_eq!(ledger::kept(&self.model).await, ledger::folded(&self.store).await);
        assert_eq!(cards::kept(&self.model).await, cards::folded(&self.store).await);
    }

    /// Money moves all the while, and nothing that is checked ever goes back.
    #[must_use]
    pub fn under_load(&self) -> Load {
        let mut load = self.watched();
        let (ended, store, seed) = (Arc::clone(&load.ended), self.store.clone(), Arc::clone(&self.seed));
        load.tasks.push(tokio::spawn(async move {
            while !ended.load(Ordering::Relaxed) {
                cards::go_on(&store, seed.fetch_add(1, Ordering::Relaxed)).await;
                tokio::time::sleep(Duration::from_millis(4)).await;
            }
        }));
        load
    }

    /// Nothing that is checked ever goes back.
    #[must_use]
    pub fn watched(&self) -> Load {
        let ended = Arc::new(AtomicBool::new(false));
        let (watching, model) = (Arc::clone(&ended), Arc::clone(&self.model));
        let watcher = tokio::spawn(async move {
            let mut newest = BTreeMap::new();
            while !watching.load(Ordering::Relaxed) {
                for projection in PROJECTIONS {
                    watch(&*model, projection, &mut newest).await;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        });
        Load { ended, tasks: vec![watcher] }
    }
}

async fn live_targets(model: &dyn ReadModel, projection: &str) -> Result<Vec<Target>, ReadModelError> {
    let projection = projection.parse().unwrap();
    let live = model.live(&projection).await?;
    let of = |live: cqrs_core::LiveGeneration| {
        let (projection, generation) = (&projection, live.generation);
        let partitions = live.partitions.all();
        partitions.map(move |partition| Target { projection: projection.clone(), generation, partition }).collect()
    };
    Ok(live.map(of).unwrap_or_default())
}

/// Tokens and checkpoints of a partition only ever rise. While the read model is away, nothing is seen.
async fn watch(model: &dyn ReadModel, projection: &str, newest: &mut BTreeMap<String, (u64, u64)>) {
    for target in live_targets(model, projection).await.unwrap_or_default() {
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

/// What goes on all the while.
#[derive(Debug)]
pub struct Load {
    ended: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Load {
    /// Ends it.
    ///
    /// # Panics
    /// When anything went back.
    pub async fn ends(self) {
        self.ended.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
    }
}

/// Ends a process in good order.
///
/// # Panics
/// When it does not end so.
pub async fn ended(mut process: Worker) {
    process.tell_to_end();
    process.ended().await;
}
