//! Load generator and comparisons: `cargo run --release -p benches -- append --store postgres --appenders 64`.
//!
//! Subject and baseline run in turn within one call, several times; the medians are printed.

use clap::{Parser, Subcommand};

mod append;
mod catchup;
mod command;
mod database;
mod dcb;
mod evolve;
mod file;
mod growth;
mod hydrate;
mod measure;
mod peers;
mod project;
mod report;
mod store;
mod workload;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// Measures the framework beside something in the same run. PostgreSQL is found at DATABASE_URL.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// One JSON object per line instead of a table.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    bench: Bench,
}

#[derive(Subcommand)]
enum Bench {
    /// Appends by many callers at once, beside one plain insert per append.
    Append(append::Options),
    /// Appends with tags, and on conditions over them, beside appends without; and the statement beside that from before tags.
    Dcb(dcb::Options),
    /// Appends to a log that has grown long, beside an empty one.
    Growth(growth::Options),
    /// The whole way of a command through the repository, beside bare appends.
    Command(command::Options),
    /// Commands of many callers on one aggregate, beside one commit per command.
    Hot(command::Options),
    /// The state of one aggregate with a long history, folded and from a snapshot.
    Hydrate(hydrate::Options),
    /// The whole log from its start, decoded, beside a bare binary COPY of the same rows.
    Catchup(catchup::Options),
    /// A history of old events, upcast, beside one of new events; then both in one log, rebuilt and time-travelled.
    Evolve(evolve::Options),
    /// A read model filled from a long log, live and by a rebuild, beside a bare client of its sink; or how far it lags behind.
    Project(project::Options),
    /// The same bank account on other libraries, built on first use; `peers --help` shows its options.
    Peers(peers::Options),
    /// One process of several that append.
    #[command(hide = true)]
    AppendPart { part: String },
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let arguments = Arguments::parse();
    let report = report::Report::new(arguments.json);
    match arguments.bench {
        Bench::Append(options) => append::run(options, &report).await,
        Bench::Dcb(options) => dcb::run(options, &report).await,
        Bench::Growth(options) => growth::run(options, &report).await,
        Bench::Command(options) => command::run(options, &report).await,
        Bench::Hot(options) => command::run_hot(options, &report).await,
        Bench::Hydrate(options) => hydrate::run(options, &report).await,
        Bench::Catchup(options) => catchup::run(options, &report).await,
        Bench::Evolve(options) => evolve::run(options, &report).await,
        Bench::Project(options) => project::run(options, &report).await,
        Bench::Peers(options) => peers::run(&options, arguments.json),
        Bench::AppendPart { part } => append::Part::work(&part).await,
    }
}
