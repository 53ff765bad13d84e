//! The shop: what it is made of, and one run through all of it.

use std::error::Error;
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cqrs_core::{AsOf, Documents, EventStore, ReadModel, Repository, Version};
use cqrs_projections::{Projections, Running};
use jiff::Span;
use jiff::civil::Date;
use showcase::{Report, grouped};

use crate::calendar::{end_of_day, midnight};
use crate::customer::{Customer, CustomerId};
use crate::customers::{CustomerSummary, Customers};
use crate::days::{Day, Days};
use crate::figures::{Figures, PUBLISHED, PUBLISHED_CUSTOMER, dollars};
use crate::import::{Imported, import};
use crate::input::{Input, Line};
use crate::ledger::{Ledger, spent};
use crate::progress::{Progress, per_second};
use crate::search::CustomerSearch;
use crate::totals::{ShopTotals, Totals};

/// How long the read models may take to catch up.
const CATCH_UP: Duration = Duration::from_secs(300);

/// How many documents are read at once.
const PAGE: usize = 1_000;

/// Where the shop keeps its events and its documents.
pub struct Shop {
    /// Where the events are, for people.
    pub place: String,
    pub store: Arc<dyn EventStore>,
    pub customers: Repository<Customer>,
    pub documents: Arc<dyn ReadModel>,
    pub search: Option<CustomerSearch>,
}

/// A purchase history and where it is from.
pub struct Source {
    pub name: String,
    pub input: Input,
    /// Whether it is the CDNOW file, whose figures are known.
    pub published: bool,
}

impl Shop {
    const CUSTOMERS: &str = "customers";
    const DAYS: &str = "days";
    const TOTALS: &str = "totals";

    /// Imports a purchase history and shows what has become of it. Fails when any figure is not as it should be.
    pub async fn run(&self, source: Source, out: impl Write) -> Result<(), Box<dyn Error>> {
        let mut report = Report::new(out);
        let Source { name, input, published } = source;
        show_input(&name, &input, &mut report)?;
        report.say(format_args!("events: {}", self.place))?;

        let running = self.start().await?;
        let imported = import(&*self.store, &self.customers, &name, &input.lines).await?;
        show_import(&imported, &mut report)?;
        let ledger = Ledger::of(input.lines.into_iter().filter(|line| !imported.refused.contains_key(&line.number)));
        if published {
            check_published(&ledger, &mut report);
        }

        let begun = Instant::now();
        running.wait_for(imported.position, CATCH_UP).await?;
        report.say(format_args!("the read models have caught up {:.1} s later", begun.elapsed().as_secs_f64()))?;
        self.show_documents(&ledger, &mut report).await?;
        self.show_past(&ledger, &mut report).await?;
        self.rebuild(&running, &mut report).await?;
        self.check_documents(&ledger, &mut report).await?;
        running.stop().await;
        report.close()
    }

    async fn start(&self) -> Result<Running, Box<dyn Error>> {
        let projections = Projections::new(Arc::clone(&self.store))
            .add(Self::CUSTOMERS, Customers, Arc::clone(&self.documents))
            .add(Self::DAYS, Days, Arc::clone(&self.documents))
            .add(Self::TOTALS, ShopTotals, Arc::clone(&self.documents));
        let projections = match &self.search {
            Some(search) => projections.add(CustomerSearch::PROJECTION, Customers, search.model()),
            None => projections,
        };
        Ok(projections.start().await?)
    }

    async fn show_documents(&self, ledger: &Ledger, report: &mut Report<impl Write>) -> Result<(), Box<dyn Error>> {
        self.check_documents(ledger, report).await?;
        let totals = self.totals().await?;
        report.part(format_args!("in all       {}", totals.figures()))?;

        let days = self.days(ledger).await?;
        for (day, _) in PUBLISHED {
            let until: Figures = days.iter().filter(|(date, _)| *date <= day).map(|(_, figures)| *figures).sum();
            report.say(format_args!("{day}   {until}"))?;
            report.check(format_args!("days up to {day}"), &until, &ledger.until(day));
        }

        report.part("the ten best customers")?;
        for best in &totals.best {
            report.say(format_args!("  {best}"))?;
        }
        if self.search.is_some() {
            report.say("  a search finds the same")?;
        }
        Ok(())
    }

    /// Compares every document with the ledger.
    async fn check_documents(&self, ledger: &Ledger, report: &mut Report<impl Write>) -> Result<(), Box<dyn Error>> {
        let totals = self.totals().await?;
        report.check("totals", &totals.figures(), &ledger.total());
        report.check("the best customers", &totals.best, &ledger.best());
        if let Some(search) = &self.search {
            report.check("the best customers by search", &search.best().await?, &ledger.best());
        }
        for (day, figures) in self.days(ledger).await? {
            report.check(format_args!("day {day}"), &figures, &ledger.on(day).unwrap_or_default());
        }
        let documents = Documents::<CustomerSummary>::new(Arc::clone(&self.documents), Self::CUSTOMERS)?;
        let customers: Vec<_> = ledger.customers().collect();
        for page in customers.chunks(PAGE) {
            let keys: Vec<_> = page.iter().map(|(id, _)| id.to_string()).collect();
            for ((id, lines), found) in page.iter().zip(documents.get_many(&keys).await?) {
                report.check(format_args!("customer {id}"), &found, &summary(*id, lines));
            }
        }
        Ok(())
    }

    async fn totals(&self) -> Result<Totals, Box<dyn Error>> {
        let documents = Documents::<Totals>::new(Arc::clone(&self.documents), Self::TOTALS)?;
        Ok(documents.get(ShopTotals::KEY).await?.unwrap_or_default())
    }

    /// The figures of every day of the calendar that the ledger spans.
    async fn days(&self, ledger: &Ledger) -> Result<Vec<(Date, Figures)>, Box<dyn Error>> {
        let documents = Documents::<Day>::new(Arc::clone(&self.documents), Self::DAYS)?;
        let Some(span) = ledger.span() else { return Ok(Vec::new()) };
        let calendar = span.start().series(Span::new().days(1)).take_while(|day| day <= span.end());
        let calendar: Vec<_> = calendar.collect();
        let mut days = Vec::with_capacity(calendar.len());
        for page in calendar.chunks(PAGE) {
            let keys: Vec<_> = page.iter().map(ToString::to_string).collect();
            let found = documents.get_many(&keys).await?;
            days.extend(page.iter().copied().zip(found.into_iter().map(|day| day.unwrap_or_default().into())));
        }
        Ok(days)
    }

    /// One customer at several moments of the past.
    async fn show_past(&self, ledger: &Ledger, report: &mut Report<impl Write>) -> Result<(), Box<dyn Error>> {
        let Some((id, lines)) = ledger.most_frequent() else { return Ok(()) };
        report.part(format_args!("customer {id} as of"))?;
        for (day, _) in PUBLISHED {
            let Some(midnight) = midnight(day) else { continue };
            let then = self.customers.load_as_of(&id, AsOf::Occurred(end_of_day(midnight))).await?;
            let then = then.map(|loaded| loaded.state).unwrap_or_default();
            let expected = &lines[..lines.partition_point(|line| line.day <= day)];
            show_customer(&format!("the end of {day}"), &then, expected, id, report)?;
        }
        // The first event says that the customer has joined, each further one is a purchase.
        let mut counts = vec![1, lines.len().div_ceil(2), lines.len()];
        counts.dedup();
        for purchases in counts {
            let version = Version::FIRST.plus(purchases as u64);
            let then = self.customers.load_as_of(&id, AsOf::Version(version)).await?;
            let then = then.map(|loaded| loaded.state).unwrap_or_default();
            show_customer(&format!("version {version}"), &then, &lines[..purchases], id, report)?;
        }
        Ok(())
    }

    /// Folds the whole log again, into new generations of all documents.
    async fn rebuild(&self, running: &Running, report: &mut Report<impl Write>) -> Result<(), Box<dyn Error>> {
        report.part("rebuilt from scratch")?;
        let begun = Instant::now();
        for projection in running.status().await {
            let name = projection.name.as_str();
            let mut progress = Progress::new(format!("rebuild of {name}"));
            let rebuilt = running.rebuild(name).progress(move |now| progress.set(now.done.get(), now.of.get())).await?;
            let (events, elapsed) = (rebuilt.events, rebuilt.elapsed);
            let rate = per_second(events, elapsed);
            let seconds = elapsed.as_secs_f64();
            report.say(format_args!("  {name:<15} {} events in {seconds:.1} s, {rate}", grouped(events)))?;
        }
        report.say(format_args!("  all of them in {:.1} s", begun.elapsed().as_secs_f64()))?;
        Ok(())
    }
}

fn show_input(name: &str, input: &Input, report: &mut Report<impl Write>) -> Result<(), Box<dyn Error>> {
    let purchases = grouped(input.lines.len() as u64);
    report.say(format_args!(
        "{name}: {purchases} purchases, {} malformed lines",
        grouped(input.malformed.len() as u64)
    ))?;
    for malformed in input.malformed.iter().take(10) {
        report.say(format_args!("  line {}: {}", malformed.number, malformed.reason))?;
    }
    if input.malformed.len() > 10 {
        report.say(format_args!("  and {} more", grouped(input.malformed.len() as u64 - 10)))?;
    }
    Ok(())
}

fn show_import(imported: &Imported, report: &mut Report<impl Write>) -> Result<(), Box<dyn Error>> {
    let Imported { events, repeated, refused, elapsed, .. } = imported;
    let (new, seconds) = (events - repeated, elapsed.as_secs_f64());
    if new == 0 && *repeated > 0 {
        report.say(format_args!("nothing to import: all {} events are there", grouped(*repeated)))?;
    } else {
        report.say(format_args!(
            "imported: {} events in {seconds:.1} s, {}",
            grouped(new),
            per_second(new, *elapsed)
        ))?;
        if *repeated > 0 {
            report.say(format_args!("  {} others were there before", grouped(*repeated)))?;
        }
    }
    for (line, reason) in refused.iter().take(10) {
        report.say(format_args!("  line {line} was refused: {reason}"))?;
    }
    if refused.len() > 10 {
        report.say(format_args!("  and {} more", grouped(refused.len() as u64 - 10)))?;
    }
    Ok(())
}

fn show_customer(
    moment: &str,
    then: &Customer,
    expected: &[Line],
    id: CustomerId,
    report: &mut Report<impl Write>,
) -> Result<(), Box<dyn Error>> {
    let spent = spent(expected);
    let (purchases, cents) = (then.purchases, then.cents);
    report.say(format_args!("  {moment:<22} {purchases:>3} purchases, {:>17}", dollars(cents)))?;
    let found = Figures { purchases, customers: u64::from(then.joined), cds: then.cds, cents };
    report.check(format_args!("customer {id} as of {moment}"), &found, &spent);
    Ok(())
}

/// The document that a customer's purchases lead to.
fn summary(id: CustomerId, lines: &[Line]) -> Option<CustomerSummary> {
    let Figures { purchases, cds, cents, .. } = spent(lines);
    Some(CustomerSummary {
        customer: id.to_string(),
        joined: lines.first()?.day,
        last_purchase: lines.last().map(|line| line.day),
        purchases,
        cds,
        cents,
    })
}

/// The ledger is right itself.
fn check_published(ledger: &Ledger, report: &mut Report<impl Write>) {
    for (day, figures) in PUBLISHED {
        report.check(format_args!("the file up to {day}"), &ledger.until(day), &figures);
    }
    let found = ledger.most_frequent().map(|(id, lines)| (id.to_string(), spent(lines)));
    let found = found.as_ref().map(|(id, spent)| (id.as_str(), spent.purchases, spent.cents));
    report.check("the most frequent customer of the file", &found, &Some(PUBLISHED_CUSTOMER));
}
