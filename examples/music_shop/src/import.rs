//! Purchases as commands on customers.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use cqrs_core::{
    Aggregate, Category, CodecError, CommandId, Context, EventStore, ExecuteError, Executed, Filter, GlobalPosition,
    InvalidName, ReadAll, Repository, StoreError,
};
use tokio::task::{JoinError, JoinSet};

use crate::customer::{Customer, CustomerId, PurchaseError};
use crate::input::Line;
use crate::progress::Progress;

/// How many customers buy at the same time. The store writes what they bring in one group.
const AT_ONCE: usize = 256;

/// How many events are read at once.
const PAGE: usize = 10_000;

/// What an import has led to.
#[derive(Debug, Default)]
pub struct Imported {
    /// How many events stand for the purchases.
    pub events: u64,
    /// How many of them were there before.
    pub repeated: u64,
    /// Where the last of them stands.
    pub position: GlobalPosition,
    /// The lines that were refused, by number.
    pub refused: BTreeMap<usize, PurchaseError>,
    /// How long it took.
    pub elapsed: Duration,
}

/// Why an import broke off. What was imported stays; importing again goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("line {line} cannot be imported")]
    Line { line: usize, source: ExecuteError<PurchaseError> },
    #[error("the import broke off")]
    Task(#[from] JoinError),
    #[error("what was imported before cannot be read")]
    Store(#[from] StoreError),
    #[error("what was imported before cannot be read")]
    Metadata(#[from] CodecError),
    #[error(transparent)]
    Name(#[from] InvalidName),
}

/// What the log holds already.
#[derive(Debug, Default)]
struct Recorded {
    /// How many events each command has led to.
    commands: HashMap<CommandId, u64>,
    position: GlobalPosition,
}

/// Imports purchases that are ordered by customer and day, but for those that the log holds already. `file` names where
/// they are from: file and line make the id of each command, so that no purchase is written twice, whoever imports at the
/// same time.
pub async fn import(
    store: &dyn EventStore,
    customers: &Repository<Customer>,
    file: &str,
    lines: &[Line],
) -> Result<Imported, ImportError> {
    let mut progress = Progress::new("import");
    let Recorded { commands, position } = recorded(store).await?;
    let before = |line: &Line| commands.get(&command_id(file, line)).copied();
    let repeated = lines.iter().filter_map(before).sum();
    let missing: Vec<_> = lines.iter().filter(|line| before(line).is_none()).copied().collect();
    let mut imported = Imported { events: repeated, repeated, position, ..Imported::default() };
    let file: Arc<str> = Arc::from(file);
    let mut by_customer = missing.chunk_by(|one, next| one.customer == next.customer);
    let expected = lines.len() + lines.chunk_by(|one, next| one.customer == next.customer).count();
    let mut tasks = JoinSet::new();
    loop {
        while tasks.len() < AT_ONCE
            && let Some(lines) = by_customer.next()
        {
            tasks.spawn(import_customer(customers.clone(), Arc::clone(&file), lines.to_vec()));
        }
        let Some(customer) = tasks.join_next().await else { break };
        imported.add(customer??);
        progress.set(imported.events, expected as u64);
    }
    imported.elapsed = progress.finish();
    Ok(imported)
}

async fn recorded(store: &dyn EventStore) -> Result<Recorded, ImportError> {
    let customers = Filter::Categories(vec![Category::new(Customer::CATEGORY)?]);
    let mut recorded = Recorded::default();
    loop {
        let read = ReadAll::after(recorded.position).filter(customers.clone()).limit(PAGE);
        let page = store.read_all(read).await?;
        for event in page.events {
            if let Some(command) = event.metadata()?.command_id {
                *recorded.commands.entry(command).or_default() += 1;
            }
        }
        recorded.position = page.scanned_to;
        if !page.more {
            return Ok(recorded);
        }
    }
}

fn command_id(file: &str, line: &Line) -> CommandId {
    CommandId::named(line.occurred_at, &format!("{file}:{}", line.number))
}

/// The purchases of one customer, one after the other.
async fn import_customer(
    customers: Repository<Customer>,
    file: Arc<str>,
    lines: Vec<Line>,
) -> Result<Imported, ImportError> {
    let mut imported = Imported::default();
    for line in lines {
        match buy(&customers, &file, line.customer, &line).await {
            Ok(done) => imported.count(&done),
            Err(ExecuteError::Domain(reason)) => drop(imported.refused.insert(line.number, reason)),
            Err(source) => return Err(ImportError::Line { line: line.number, source }),
        }
    }
    Ok(imported)
}

async fn buy(
    customers: &Repository<Customer>,
    file: &str,
    customer: CustomerId,
    line: &Line,
) -> Result<Executed, ExecuteError<PurchaseError>> {
    let context = Context::new().command_id(command_id(file, line)).occurred_at(line.occurred_at).source("music_shop");
    // The command has an id: sent again after an unknown outcome, it finds out what became of it.
    let again = |error: &ExecuteError<_>| matches!(error, ExecuteError::Transient(_) | ExecuteError::Unknown { .. });
    (|| customers.execute_with(&customer, line.purchase, context.clone()))
        .retry(ExponentialBuilder::default().with_jitter())
        .when(again)
        .await
}

impl Imported {
    fn count(&mut self, done: &Executed) {
        let events = done.events as u64;
        self.events += events;
        self.repeated += if done.repeated { events } else { 0 };
        self.position = self.position.max(done.position);
    }

    fn add(&mut self, more: Self) {
        self.events += more.events;
        self.repeated += more.repeated;
        self.position = self.position.max(more.position);
        self.refused.extend(more.refused);
    }
}
