//! Appends with tags, and on conditions over them, beside appends without.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cqrs_core::{Append, EventStore, GlobalPosition, QueryItem, StreamName};
use serde_json::json;

use crate::Error;
use crate::measure::{Measured, load, median};
use crate::report::{Baseline, Line, Report, parameters};
use crate::store::Store;
use crate::workload::new_event;

mod statement;

#[derive(clap::Args)]
pub struct Options {
    /// The store.
    #[arg(long, value_enum, default_value = "postgres")]
    store: Store,
    /// Callers at once, each appending to a stream of its own.
    #[arg(long, default_value_t = 64)]
    appenders: usize,
    /// Seconds of each run.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Runs of each kind, in turn.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
}

/// What an append has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plain,
    /// One that its stream alone has, and one that a tenth of all events have.
    Tagged,
    /// And the condition that nothing new has both.
    Guarded,
}

const KINDS: [(Kind, &str); 3] =
    [(Kind::Plain, "without tags"), (Kind::Tagged, "two tags"), (Kind::Guarded, "two tags, nothing new with both")];

pub async fn run(options: Options, report: &Report) -> Result<(), Error> {
    if options.store == Store::Postgres {
        let statement::Pair { now, before } =
            statement::compare(options.appenders, options.duration(), options.rounds).await?;
        let subject = format!("postgres, the statement for {} events without tags", options.appenders);
        options.line(subject, now, Some(("the statement from before there were tags", before)), report)?;
    }
    let mut runs = KINDS.map(|_| Vec::new());
    for round in 1..=options.rounds {
        for ((kind, name), runs) in KINDS.into_iter().zip(&mut runs) {
            let measured = options.measure(kind).await?;
            report.note(&format!("round {round}: {name}: {:.0} events/s", measured.per_second));
            runs.push(measured);
        }
    }
    let [plain, tagged, guarded] = runs.map(|runs| median(&runs));
    let plain = plain.ok_or("no rounds")?;
    let baseline = ("the same without tags", plain);
    for ((_, name), (measured, baseline)) in
        KINDS.into_iter().zip([(Some(plain), None), (tagged, Some(baseline)), (guarded, Some(baseline))])
    {
        let subject = format!("{}, {name}", options.store.name());
        options.line(subject, measured.ok_or("no rounds")?, baseline, report)?;
    }
    Ok(())
}

impl Options {
    fn duration(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }

    async fn measure(&self, kind: Kind) -> Result<Measured, Error> {
        let opened = self.store.open().await?;
        let measured = appends(Arc::clone(&opened.store), kind, self.appenders, self.duration()).await?;
        opened.close().await?;
        Ok(measured)
    }

    fn line(
        &self,
        subject: String,
        measured: Measured,
        baseline: Option<(&str, Measured)>,
        report: &Report,
    ) -> Result<(), Error> {
        report.line(&Line {
            bench: "dcb",
            subject,
            per_second: measured.per_second,
            p50_ms: measured.p50_ms,
            p99_ms: measured.p99_ms,
            parameters: parameters([
                ("appenders", json!(self.appenders)),
                ("seconds", json!(self.seconds)),
                ("rounds", json!(self.rounds)),
            ]),
            baseline: baseline.map(|(name, baseline)| Baseline {
                baseline: name.to_owned(),
                baseline_per_second: baseline.per_second,
                ratio: measured.per_second / baseline.per_second,
            }),
        })
    }
}

async fn appends(
    store: Arc<dyn EventStore>,
    kind: Kind,
    appenders: usize,
    duration: Duration,
) -> Result<Measured, Error> {
    // How far each caller knows the log.
    let known: Arc<Vec<AtomicU64>> = Arc::new((0..appenders).map(|_| AtomicU64::new(0)).collect());
    load(appenders, duration, move |caller, call| {
        let (store, known) = (Arc::clone(&store), Arc::clone(&known));
        async move {
            let mut event = new_event(&StreamName::of("account", &caller)?, call)?;
            let (own, shared) = (format!("account:{caller}"), format!("branch:{}", caller % 10));
            let query = QueryItem::new().tag(&own).tag(&shared).into();
            if kind != Kind::Plain {
                event.metadata.tags = vec![own, shared];
            }
            let mut append = Append::new(vec![event]);
            if kind == Kind::Guarded {
                let after = GlobalPosition::new(known[caller].load(Ordering::Relaxed));
                append = append.expect_none_matching(query, after);
            }
            let appended = store.append(append).await?;
            known[caller].store(appended.position.get(), Ordering::Relaxed);
            Ok(1)
        }
    })
    .await
}
