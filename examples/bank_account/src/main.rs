//! A bank account: every entry is an event. Replay, past states by version and by both times, snapshots, corrections as
//! new entries, an audit report, and a database that refuses to change the past. Every balance is checked.
//!
//! Without settings everything is in memory. `DATABASE_URL`, `REDIS_URL` and `ELASTICSEARCH_URL` put events and documents
//! where they last. Which adapter is used is decided in this file and nowhere else.

mod account;
mod amount;
mod audit;
mod bank;
mod immutability;
#[cfg(test)]
mod schema;
mod story;
mod summary;

use std::error::Error;
use std::io;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use cqrs_core::in_memory::{InMemoryEventStore, InMemoryReadModel, InMemorySnapshotStore};
use cqrs_core::{ReadModel, Repository};
use cqrs_postgres::PgOptions;
use cqrs_projections::{ElasticReadModel, Field, Mapping, RedisReadModel};
use showcase::Report;

use crate::bank::{Adapters, Bank};

/// A bank account as events, documents and past states.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// The PostgreSQL that keeps events and snapshots [default: they are in memory]
    #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
    database_url: Option<String>,
    /// The Redis that keeps documents [default: they are in memory, where Elasticsearch does not keep them]
    #[arg(long, value_name = "URL", env = "REDIS_URL", hide_env_values = true)]
    redis_url: Option<String>,
    /// The Elasticsearch that keeps documents, too
    #[arg(long, value_name = "URL", env = "ELASTICSEARCH_URL", hide_env_values = true)]
    elasticsearch_url: Option<String>,
    /// The schema of the events, and the prefix of keys and indices
    #[arg(long, value_name = "NAME", env = "BANK_ACCOUNT_SCHEMA", default_value = "bank_account")]
    schema: String,
}

#[tokio::main]
async fn main() -> ExitCode {
    showcase::exit(run(Args::parse()).await)
}

async fn run(args: Args) -> Result<(), Box<dyn Error>> {
    let mut report = Report::new(io::stdout());
    let mut bank = Bank::open(connect(&args).await?).await?;
    story::two_accounts(&mut bank, &mut report).await?;
    story::second_account(&mut bank, &mut report).await?;
    story::time_travel(&bank, &mut report).await?;
    story::snapshots(&mut bank, &mut report).await?;
    if let Some(url) = given(&args.database_url) {
        report.part("the past cannot be changed")?;
        for (statement, refusal) in immutability::refusals(&url, &args.schema).await? {
            report.say(format_args!("  {statement}\n    {refusal}"))?;
        }
    }
    bank.close().await;
    report.close()
}

fn given(url: &Option<String>) -> Option<String> {
    url.clone().filter(|url| !url.is_empty())
}

/// Chooses the adapters.
async fn connect(args: &Args) -> Result<Adapters, Box<dyn Error>> {
    let database = given(&args.database_url);
    let (redis, elasticsearch) = (given(&args.redis_url), given(&args.elasticsearch_url));
    if database.is_none() && (redis.is_some() || elasticsearch.is_some()) {
        return Err("documents that last need events that last: set DATABASE_URL as well".into());
    }
    let mut summaries: Vec<(&'static str, Arc<dyn ReadModel>)> = Vec::new();
    if let Some(url) = &redis {
        summaries.push(("account-summary", Arc::new(RedisReadModel::connect(url).prefix(&args.schema).await?)));
    }
    if let Some(url) = &elasticsearch {
        let mapping = Mapping::new()
            .field("account", Field::keyword())
            .field("owner", Field::text())
            .field("status", Field::keyword())
            .field("balance", Field::long())
            .field("last_entry", Field::date());
        let model = ElasticReadModel::connect(url).await?.prefix(&args.schema)?.mapping(mapping);
        summaries.push(("account-search", Arc::new(model)));
    }
    if summaries.is_empty() {
        summaries.push(("account-summary", Arc::new(InMemoryReadModel::new())));
    }
    match database {
        Some(url) => {
            let store = PgOptions::new(&url)?.schema(&args.schema)?.connect().await?;
            store.migrate().await?;
            let accounts = Repository::new(store.clone()).snapshots(store.snapshots());
            Ok(Adapters { accounts, snapshots: Arc::new(store.snapshots()), store: Arc::new(store), summaries })
        }
        None => {
            let (store, snapshots) = (InMemoryEventStore::new(), InMemorySnapshotStore::new());
            let accounts = Repository::new(store.clone()).snapshots(snapshots.clone());
            Ok(Adapters { accounts, snapshots: Arc::new(snapshots), store: Arc::new(store), summaries })
        }
    }
}
