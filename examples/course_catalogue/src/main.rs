//! A course catalogue: commands on courses and instructors, one document for each course joined with its instructor,
//! full-text search with facets in Elasticsearch, details of a course cached in Redis, and all of it over HTTP. Every figure
//! is checked.
//!
//! Events are in PostgreSQL (`DATABASE_URL`), documents in Elasticsearch (`ELASTICSEARCH_URL`), their cache in Redis
//! (`REDIS_URL`). Which adapter is used is decided in this file and nowhere else.

mod catalogue;
mod course;
mod http;
mod instructor;
mod search;
mod service;
mod story;

use std::error::Error;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use cqrs_core::{Documents, Repository};
use cqrs_postgres::PgOptions;
use cqrs_projections::{CacheAside, ElasticReadModel, Projections, RedisReadModel, Touches};
use showcase::Report;
use tokio::net::TcpListener;

use crate::catalogue::{CATALOGUE, Catalogue, CourseView};
use crate::service::Service;
use crate::story::Story;

/// A course catalogue on PostgreSQL, Elasticsearch and Redis.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// The PostgreSQL that keeps events and snapshots
    #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
    database_url: String,
    /// The Elasticsearch that keeps the catalogue
    #[arg(long, value_name = "URL", env = "ELASTICSEARCH_URL", hide_env_values = true)]
    elasticsearch_url: String,
    /// The Redis that keeps details of courses for an hour
    #[arg(long, value_name = "URL", env = "REDIS_URL", hide_env_values = true)]
    redis_url: String,
    /// The schema of the events, and the prefix of keys and indices
    #[arg(long, value_name = "NAME", env = "COURSE_CATALOGUE_SCHEMA", default_value = "course_catalogue")]
    schema: String,
    /// Serves HTTP here until it is interrupted, instead of telling the story; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
}

#[tokio::main]
async fn main() -> ExitCode {
    showcase::exit(run(Args::parse()).await)
}

async fn run(args: Args) -> Result<(), Box<dyn Error>> {
    let service = Arc::new(connect(&args).await?);
    match args.listen {
        None => {
            let mut report = Report::new(io::stdout());
            Story::new(&service, &mut report).tell().await?;
            report.close()?;
        }
        Some(address) => serve(Arc::clone(&service), address).await?,
    }
    if let Some(service) = Arc::into_inner(service) {
        service.running.stop().await;
    }
    Ok(())
}

async fn serve(service: Arc<Service>, address: SocketAddr) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind(address).await?;
    writeln!(io::stdout(), "listening on http://{}", listener.local_addr()?)?;
    let interrupted = async { drop(tokio::signal::ctrl_c().await) };
    axum::serve(listener, http::router(service)).with_graceful_shutdown(interrupted).await?;
    Ok(())
}

/// Chooses the adapters.
async fn connect(args: &Args) -> Result<Service, Box<dyn Error>> {
    let store = PgOptions::new(&args.database_url)?.schema(&args.schema)?.connect().await?;
    store.migrate().await?;
    let courses = Repository::new(store.clone()).snapshots(store.snapshots()).cache(10_000);
    let instructors = Repository::new(store.clone()).cache(1_000);
    let model = ElasticReadModel::connect(&args.elasticsearch_url)
        .await?
        .prefix(&args.schema)?
        .mapping(catalogue::mapping().replicas(0));
    let search = model.search(CATALOGUE)?;
    let redis = RedisReadModel::connect(&args.redis_url).prefix(&args.schema).await?;
    let details = CacheAside::new(&redis, "course", Documents::<CourseView>::new(model.clone(), CATALOGUE)?)?;
    let details = details.ttl(Duration::from_secs(3_600));
    let running = Projections::new(store)
        .add_join(CATALOGUE, Catalogue, model.clone())
        .add_join("catalogue-cache", Touches(Catalogue), details.invalidation())
        .start()
        .await?;
    Ok(Service { courses, instructors, running, model, search, details, projection: CATALOGUE.parse()? })
}
