//! A music shop: the CDNOW purchase history goes in as commands on customers, becomes events, and is seen again as
//! documents, past states and rebuilt documents. Every figure is compared with what the file itself adds up to.
//!
//! Without settings the events are in a file, and the documents in memory. `DATABASE_URL`, `REDIS_URL` and
//! `ELASTICSEARCH_URL` put them on servers. Which adapter is used is decided in this file and nowhere else.

mod calendar;
mod customer;
mod customers;
mod days;
mod figures;
mod file;
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
use std::{fs, io, path};

use clap::Parser;
use cqrs_core::in_memory::InMemoryReadModel;
use cqrs_core::{EventStore, ReadModel, Repository};
use cqrs_postgres::PgOptions;
use cqrs_projections::{ElasticReadModel, RedisReadModel};
use cqrs_sqlite::SqliteEventStore;
use showcase::Differences;

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
    /// The file that keeps events and snapshots [default: music-shop.sqlite in the working directory]
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Removes that default file first, with all that is in it
    #[arg(long, conflicts_with = "file")]
    afresh: bool,
    /// The PostgreSQL that keeps events and snapshots instead of a file
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
    let (shop, file) = connect(&args).await?;
    let outcome = shop.run(source, io::stdout()).await;
    let Some(file) = file else { return outcome };
    let closed = file.close().await;
    outcome.map_err(|error| match error.is::<Differences>() {
        true => format!("{error}\nwhat is in the file stays there: another history needs another --file, or --afresh")
            .into(),
        false => error,
    })?;
    Ok(closed?)
}

/// Chooses the adapters. What is kept in a file has to be closed in the end.
async fn connect(args: &Args) -> Result<(Shop, Option<SqliteEventStore>), Box<dyn Error>> {
    let given = |url: &Option<String>| url.clone().filter(|url| !url.is_empty());
    let (place, store, customers, file): (_, Arc<dyn EventStore>, _, _) = match given(&args.database_url) {
        None => {
            let path = args.file.clone().unwrap_or_else(|| file::default_path(args.input.as_deref()));
            let path = path::absolute(path)?;
            if args.afresh {
                file::remove(&path).map_err(|error| format!("{} cannot be removed: {error}", path.display()))?;
            }
            let store = file::open(&path).await?;
            let customers = Repository::new(store.clone()).snapshots(store.snapshots()).cache(CACHED);
            (path.display().to_string(), Arc::new(store.clone()), customers, Some(store))
        }
        Some(_) if args.afresh || args.file.is_some() => {
            return Err(
                "--file and --afresh are for events in a file, and DATABASE_URL keeps them in PostgreSQL".into()
            );
        }
        Some(url) => {
            let store = PgOptions::new(&url)?.schema(&args.schema)?.connect().await?;
            store.migrate().await?;
            let customers = Repository::new(store.clone()).snapshots(store.snapshots()).cache(CACHED);
            (format!("PostgreSQL, schema {}", args.schema), Arc::new(store), customers, None)
        }
    };
    let documents: Arc<dyn ReadModel> = match given(&args.redis_url) {
        None => Arc::new(InMemoryReadModel::new()),
        Some(url) => Arc::new(RedisReadModel::connect(&url).prefix(&args.schema).await?),
    };
    let search = match given(&args.elasticsearch_url) {
        None => None,
        Some(url) => {
            let model = ElasticReadModel::connect(&url).await?.prefix(&args.schema)?;
            Some(CustomerSearch::new(model))
        }
    };
    Ok((Shop { place, store, customers, documents, search }, file))
}
