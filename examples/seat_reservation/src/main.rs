//! Seats of a showing: a seat is sold once, a customer has two at most, and a showing has fewer places than seats. No
//! aggregate could keep all three rules; each is a small model over the tags of the events. Many customers come at once, and
//! every figure is checked.
//!
//! Without settings the events are in memory; `--file` keeps them in a SQLite file.

mod box_office;
mod event;
mod rule;

use std::collections::HashMap;
use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use cqrs_core::in_memory::InMemoryEventStore;
use cqrs_core::{Decisions, ExecuteError};
use cqrs_sqlite::SqliteEventStore;
use showcase::Report;

use crate::box_office::{BoxOffice, Outcome, Refusal, SEATS_OF_A_CUSTOMER};

const SEATS: usize = 50;
const CAPACITY: usize = 40;
const CUSTOMERS: usize = 60;

/// Seats of a showing, sold to many customers at once.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// The file that keeps the events [default: they are in memory]
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    showcase::exit(run(Args::parse()).await)
}

async fn run(args: Args) -> Result<(), Box<dyn Error>> {
    let decisions = match &args.file {
        Some(path) => Decisions::new(SqliteEventStore::open(path).await?),
        None => Decisions::new(InMemoryEventStore::new()),
    };
    // All customers want seats of one showing: each has to see what the others did.
    let office = BoxOffice::new(decisions.conflict_retries(1_000));
    let mut report = Report::new(io::stdout());
    rush(&office, &mut report).await?;
    rules(&office, &mut report).await?;
    report.close()
}

/// Everybody wants two seats, and every seat is wanted by somebody.
async fn rush(office: &BoxOffice, report: &mut Report<io::Stdout>) -> Result<(), Box<dyn Error>> {
    report.part(format_args!("{CUSTOMERS} customers, {SEATS} seats, {CAPACITY} places"))?;
    office.schedule("evening", CAPACITY).await?;
    let wishes = (0..CUSTOMERS).flat_map(|number| [(number, number % SEATS), (number, (number * 7 + 3) % SEATS)]);
    let customers: Vec<_> = wishes
        .map(|(number, place)| {
            let office = office.clone();
            tokio::spawn(async move { office.take("evening", &place.to_string(), &format!("customer-{number}")).await })
        })
        .collect();
    let mut refused: HashMap<String, usize> = HashMap::new();
    for customer in customers {
        match customer.await? {
            Ok(_) => {}
            Err(ExecuteError::Domain(refusal)) => *refused.entry(refusal.to_string()).or_default() += 1,
            Err(error) => return Err(error.into()),
        }
    }
    let taken = office.taken("evening").await?;
    let holders = office.holders("evening", SEATS).await?;
    let mut seats_of: HashMap<&str, usize> = HashMap::new();
    holders.iter().for_each(|customer| *seats_of.entry(customer).or_default() += 1);
    let most = seats_of.values().max().copied().unwrap_or(0);
    report
        .say(format_args!("  {taken} seats are taken, by {} customers; none has more than {most}", seats_of.len()))?;
    let mut refused: Vec<_> = refused.into_iter().collect();
    refused.sort_unstable();
    for (reason, times) in refused {
        report.say(format_args!("  {times:>3} times: {reason}"))?;
    }
    report.check("places", &taken, &CAPACITY);
    report.check("seats with a holder", &holders.len(), &CAPACITY);
    report.check("at most so many for one customer", &(most <= SEATS_OF_A_CUSTOMER), &true);
    Ok(())
}

/// Each rule by itself, at a small showing.
async fn rules(office: &BoxOffice, report: &mut Report<io::Stdout>) -> Result<(), Box<dyn Error>> {
    report.part("three places in the afternoon")?;
    office.schedule("matinee", 3).await?;
    for (customer, place, expected) in [
        ("ann", "1", None),
        ("ann", "1", None),
        ("bob", "1", Some(Refusal::Taken)),
        ("ann", "2", None),
        ("ann", "3", Some(Refusal::Enough)),
        ("bob", "3", None),
        ("bob", "4", Some(Refusal::SoldOut)),
    ] {
        told(
            report,
            &format!("{customer} wants seat {place}"),
            office.take("matinee", place, customer).await,
            expected,
        )?;
    }
    told(report, "bob gives up seat 1", office.release("matinee", "1", "bob").await, Some(Refusal::NotYours))?;
    told(report, "ann gives up seat 1", office.release("matinee", "1", "ann").await, None)?;
    told(report, "bob wants seat 1", office.take("matinee", "1", "bob").await, None)?;
    // As it was before, for the next run.
    told(report, "bob gives up seat 1", office.release("matinee", "1", "bob").await, None)?;
    told(report, "bob gives up seat 3", office.release("matinee", "3", "bob").await, None)?;
    told(report, "ann gives up seat 2", office.release("matinee", "2", "ann").await, None)?;
    report.check("nobody is left", &office.taken("matinee").await?, &0);
    Ok(())
}

fn told(
    report: &mut Report<io::Stdout>,
    what: &str,
    outcome: Outcome,
    expected: Option<Refusal>,
) -> Result<(), Box<dyn Error>> {
    let refusal = match outcome {
        Ok(_) => None,
        Err(ExecuteError::Domain(refusal)) => Some(refusal),
        Err(error) => return Err(error.into()),
    };
    let answer = refusal.as_ref().map_or_else(|| "done".to_owned(), ToString::to_string);
    report.say(format_args!("  {what:<20}  {answer}"))?;
    report.check(what, &refusal, &expected);
    Ok(())
}
