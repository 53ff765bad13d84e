//! How far a long task has come: a bar on a terminal, otherwise lines, for each tenth at most. Both go to standard error.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use showcase::grouped;

/// Lines do not follow each other faster than this.
const PAUSE: Duration = Duration::from_millis(100);

/// The progress of a task that is counted in events.
pub struct Progress {
    what: String,
    bar: Option<ProgressBar>,
    begun: Instant,
    told: Instant,
    tenths: u64,
}

impl Progress {
    /// Begins now.
    pub fn new(what: impl Into<String>) -> Self {
        let what = what.into();
        let bar = io::stderr().is_terminal().then(|| {
            let template = "{prefix} [{bar:40}] {human_pos} of {human_len} events, {msg}, {eta} left";
            let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(0).with_style(style.progress_chars("=> ")).with_prefix(what.clone())
        });
        let now = Instant::now();
        Self { what, bar, begun: now, told: now, tenths: 0 }
    }

    /// `done` events of `of`.
    pub fn set(&mut self, done: u64, of: u64) {
        if let Some(bar) = &self.bar {
            bar.set_length(of);
            bar.set_message(per_second(done, self.begun.elapsed()));
            bar.set_position(done);
            return;
        }
        let tenths = done * 10 / of.max(1);
        if tenths > self.tenths && self.told.elapsed() >= PAUSE {
            self.tenths = tenths;
            self.told = Instant::now();
            let (what, rate) = (&self.what, per_second(done, self.begun.elapsed()));
            // Nobody may be listening.
            let _ = writeln!(io::stderr(), "{what}: {:>3} %, {} events, {rate}", tenths * 10, grouped(done));
        }
    }

    /// Takes the bar away, and tells how long it took.
    pub fn finish(self) -> Duration {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        self.begun.elapsed()
    }
}

/// `12,345 events/s`.
pub fn per_second(events: u64, elapsed: Duration) -> String {
    let rate = u128::from(events) * 1_000_000_000 / elapsed.as_nanos().max(1);
    format!("{} events/s", grouped(u64::try_from(rate).unwrap_or(u64::MAX)))
}
