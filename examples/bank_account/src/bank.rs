//! The bank: books entries, and reads what it has written.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use cqrs_core::{
    CommandId, Context, Documents, EventStore, ExecuteError, Executed, Handle, ReadModel, Repository, SnapshotStore,
    Timestamp,
};
use cqrs_projections::{Projections, Running};

use crate::account::{Account, AccountError, AccountId};
use crate::summary::{AccountSummaries, AccountSummary};

/// How long a document may take to reflect an entry.
const CATCH_UP: Duration = Duration::from_secs(60);

/// Where the bank keeps its events and its documents.
pub struct Adapters {
    pub store: Arc<dyn EventStore>,
    pub accounts: Repository<Account>,
    pub snapshots: Arc<dyn SnapshotStore>,
    /// The documents of the accounts, each under the name of its projection.
    pub summaries: Vec<(&'static str, Arc<dyn ReadModel>)>,
}

/// A bank that is open.
pub struct Bank {
    pub accounts: Repository<Account>,
    pub snapshots: Arc<dyn SnapshotStore>,
    summaries: Vec<Documents<AccountSummary>>,
    running: Running,
    booked: u32,
    /// Whether the newest entry had been booked before, by an earlier run.
    pub repeated: bool,
}

/// Who books an entry, why, and when it happened.
#[derive(Clone, Copy, Debug)]
pub struct Slip<'a> {
    pub account: &'a str,
    pub at: &'a str,
    pub actor: &'a str,
    pub reason: &'a str,
}

impl Bank {
    /// Opens the bank.
    pub async fn open(adapters: Adapters) -> Result<Self, Box<dyn Error>> {
        let Adapters { store, accounts, snapshots, summaries } = adapters;
        let mut projections = Projections::new(store);
        let mut documents = Vec::with_capacity(summaries.len());
        for (name, model) in summaries {
            projections = projections.add(name, AccountSummaries, Arc::clone(&model));
            documents.push(Documents::new(model, name)?);
        }
        let running = projections.start().await?;
        Ok(Self { accounts, snapshots, summaries: documents, running, booked: 0, repeated: false })
    }

    /// Books an entry.
    pub async fn book<C>(&mut self, slip: Slip<'_>, command: C) -> Result<Executed, BookError>
    where
        Account: Handle<C>,
        C: Send + Sync + 'static,
    {
        self.book_with(slip, command, Context::new()).await
    }

    /// Books an entry that something led to.
    ///
    /// The number of the entry makes the id of the command: a program that runs again books nothing twice.
    pub async fn book_with<C>(&mut self, slip: Slip<'_>, command: C, context: Context) -> Result<Executed, BookError>
    where
        Account: Handle<C>,
        C: Send + Sync + 'static,
    {
        let occurred: Timestamp = slip.at.parse()?;
        self.booked += 1;
        let context = context
            .command_id(CommandId::named(occurred, &format!("bank_account:{}", self.booked)))
            .occurred_at(occurred)
            .actor(slip.actor)
            .reason(slip.reason)
            .source("bank_account");
        let executed = self.accounts.execute_with(&AccountId::new(slip.account), command, context).await?;
        self.repeated = executed.repeated;
        Ok(executed)
    }

    /// The account's document, once it reflects the entry: the bank reads its own writes, in every read model.
    pub async fn summary(&self, written: &Executed) -> Result<AccountSummary, Box<dyn Error>> {
        self.running.wait_for(written.position, CATCH_UP).await?;
        let mut found = Vec::with_capacity(self.summaries.len());
        for documents in &self.summaries {
            found.push(documents.get(written.stream.id()).await?.ok_or("the account has no document")?);
        }
        found.dedup();
        match <[AccountSummary; 1]>::try_from(found) {
            Ok([summary]) => Ok(summary),
            Err(different) => Err(format!("the read models differ: {different:?}").into()),
        }
    }

    /// Closes the bank.
    pub async fn close(self) {
        self.running.stop().await;
    }
}

/// Why an entry was not booked.
#[derive(Debug, thiserror::Error)]
pub enum BookError {
    #[error(transparent)]
    Time(#[from] cqrs_core::InvalidTimestamp),
    #[error(transparent)]
    Execute(#[from] ExecuteError<AccountError>),
}
