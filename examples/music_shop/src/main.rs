//! A music shop: the CDNOW purchase history goes in as commands on customers, becomes events, and is seen again as
//! documents, past states and rebuilt documents. Every figure is compared with what the file itself adds up to.
//!
//! Without settings everything is in memory. `DATABASE_URL`, `REDIS_URL` and `ELASTICSEARCH_URL` put events and documents
//! where they last. Which adapter is used is decided in this file and nowhere else.

mod calendar;
mod customer;
mod customers;
mod days;
mod figures;
mod import;
mod input;
mod ledger;
mod progress;
mod search;
mod shop;
mod totals;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::{fs, io};

use clap::Parser;
use cqrs_core::in_memory::{InMemoryEventStore, InMemoryReadModel, InMemorySnapshotStore};
use cqrs_core::{EventStore, ReadModel, Repository};
use cqrs_postgres::PgOptions;
use cqrs_projections::{ElasticReadModel, RedisReadModel};

use crate::customer::Customer;
use crate::search::CustomerSearch;
use crate::shop::{Shop, Source};

/// How many customers are kept in memory between their purchases.
const CACHED: u64 = 10_000;

/// Purchases as events, documents and past states.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// A purchase history in the format of the CDNOW file [default: that file]
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// The PostgreSQL that keeps events and snapshots [default: they are in memory]
    #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
    database_url: Option<String>,
    /// The Redis that keeps documents [default: they are in memory]
    #[arg(long, value_name = "URL", env = "REDIS_URL", hide_env_values = true)]
    redis_url: Option<String>,
    /// The Elasticsearch in which customers are searched [default: they are not]
    #[arg(long, value_name = "URL", env = "ELASTICSEARCH_URL", hide_env_values = true)]
    elasticsearch_url: Option<String>,
    /// The schema of the events, and the prefix of keys and indices
    #[arg(long, value_name = "NAME", env = "MUSIC_SHOP_SCHEMA", default_value = "music_shop")]
    schema: String,
}

#[tokio::main]
async fn main() -> ExitCode {
    showcase::exit(run(Args::parse()).await)
}

async fn run(args: Args) -> Result<(), Box<dyn Error>> {
    let source = match &args.input {
        None => Source {
            name: "cdnow_master.txt".to_owned(),
            input: input::parse(include_bytes!("../data/cdnow_master.txt")),
            published: true,
        },
        Some(path) => Source {
            name: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            input: input::parse(&fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?),
            published: false,
        },
    };
    connect(&args).await?.run(source, io::stdout()).await
}

/// Chooses the adapters.
async fn connect(args: &Args) -> Result<Shop, Box<dyn Error>> {
    let given = |url: &Option<String>| url.clone().filter(|url| !url.is_empty());
    let database = given(&args.database_url);
    let (redis, elasticsearch) = (given(&args.redis_url), given(&args.elasticsearch_url));
    if database.is_none() && (redis.is_some() || elasticsearch.is_some()) {
        return Err("documents that last need events that last: set DATABASE_URL as well".into());
    }
    let (store, customers): (Arc<dyn EventStore>, Repository<Customer>) = match database {
        None => {
            let store = InMemoryEventStore::new();
            let customers = Repository::new(store.clone()).snapshots(InMemorySnapshotStore::new()).cache(CACHED);
            (Arc::new(store), customers)
        }
        Some(url) => {
            let store = PgOptions::new(&url)?.schema(&args.schema)?.connect().await?;
            store.migrate().await?;
            let customers = Repository::new(store.clone()).snapshots(store.snapshots()).cache(CACHED);
            (Arc::new(store), customers)
        }
    };
    let documents: Arc<dyn ReadModel> = match redis {
        None => Arc::new(InMemoryReadModel::new()),
        Some(url) => Arc::new(RedisReadModel::connect(url).prefix(&args.schema).await?),
    };
    let search = match elasticsearch {
        None => None,
        Some(url) => {
            let model = ElasticReadModel::connect(&url).await?.prefix(&args.schema)?;
            Some(CustomerSearch::new(model))
        }
    };
    Ok(Shop { store, customers, documents, search })
}
