//! Sign-up: one event and three consumers that know nothing of one another, each of which takes another part of it; a
//! consumer that fails; and a long history of events in an older shape, beside today's. Every figure is checked.
//!
//! Without settings everything is in memory. `DATABASE_URL` and `REDIS_URL` put events and documents where they last.

mod analytics;
mod directory;
mod history;
mod mail;
mod story;
mod user;
mod welcome;

use std::error::Error;
use std::io;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use cqrs_core::ReadModel;
use cqrs_core::in_memory::{InMemoryCheckpointStore, InMemoryEventStore, InMemoryReadModel};
use cqrs_postgres::PgOptions;
use cqrs_projections::RedisReadModel;
use showcase::Report;

use crate::story::{Adapters, SignUpService};

/// One event, three independent consumers.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// The PostgreSQL that keeps events and checkpoints [default: they are in memory]
    #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
    database_url: Option<String>,
    /// The Redis that keeps documents [default: they are in memory]
    #[arg(long, value_name = "URL", env = "REDIS_URL", hide_env_values = true)]
    redis_url: Option<String>,
    /// The schema of the events, and the prefix of keys
    #[arg(long, value_name = "NAME", env = "USER_SIGN_UP_SCHEMA", default_value = "user_sign_up")]
    schema: String,
    /// How many have signed up before today, without an address: 2 to 1,000,000
    #[arg(long, value_name = "USERS", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(2..=1_000_000))]
    old_users: u64,
}

#[tokio::main]
async fn main() -> ExitCode {
    showcase::exit(run(Args::parse()).await)
}

async fn run(args: Args) -> Result<(), Box<dyn Error>> {
    let mut report = Report::new(io::stdout());
    let service = SignUpService::open(connect(&args).await?, args.old_users, &mut report).await?;
    service.three_consumers(&mut report).await?;
    service.one_address_one_user(&mut report).await?;
    service.a_consumer_fails(&mut report).await?;
    service.old_events(&mut report).await?;
    service.close().await;
    report.close()
}

fn given(url: &Option<String>) -> Option<String> {
    url.clone().filter(|url| !url.is_empty())
}

/// Chooses the adapters.
async fn connect(args: &Args) -> Result<Adapters, Box<dyn Error>> {
    let (database, redis) = (given(&args.database_url), given(&args.redis_url));
    if database.is_none() && redis.is_some() {
        return Err("documents that last need events that last: set DATABASE_URL as well".into());
    }
    let documents: Arc<dyn ReadModel> = match redis {
        Some(url) => Arc::new(RedisReadModel::connect(&url).prefix(&args.schema).await?),
        None => Arc::new(InMemoryReadModel::new()),
    };
    Ok(match database {
        Some(url) => {
            let store = PgOptions::new(&url)?.schema(&args.schema)?.connect().await?;
            store.migrate().await?;
            let checkpoints = Arc::new(store.checkpoints());
            Adapters { history: Arc::new(store.clone()), store: Arc::new(store), checkpoints, documents }
        }
        None => {
            let store = InMemoryEventStore::new();
            let checkpoints = Arc::new(InMemoryCheckpointStore::new());
            Adapters { history: Arc::new(store.clone()), store: Arc::new(store), checkpoints, documents }
        }
    })
}
