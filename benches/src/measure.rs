//! Rates and latencies.

use std::future::Future;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::Error;

/// What one run of something came to.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Measured {
    pub per_second: f64,
    pub p50_ms: Option<f64>,
    pub p99_ms: Option<f64>,
}

impl Measured {
    /// So much in so long a time, at once.
    pub fn of(count: u64, elapsed: Duration) -> Self {
        Self { per_second: count as f64 / elapsed.as_secs_f64(), p50_ms: None, p99_ms: None }
    }

    /// Latencies alone, in ascending order.
    pub fn of_micros(sorted: &[u32]) -> Self {
        Self { per_second: 0.0, p50_ms: percentile(sorted, 0.50), p99_ms: percentile(sorted, 0.99) }
    }
}

/// Calls `work` again and again from each of `callers` tasks until the time is over. `work` gets the number of its caller
/// and of the call, and answers with how many things it did.
pub async fn load<F, W>(callers: usize, duration: Duration, work: W) -> Result<Measured, Error>
where
    W: Fn(usize, u64) -> F + Clone + Send + 'static,
    F: Future<Output = Result<u64, Error>> + Send,
{
    let start = Instant::now();
    let end = start + duration;
    let mut tasks = tokio::task::JoinSet::new();
    for caller in 0..callers {
        let work = work.clone();
        tasks.spawn(async move {
            let (mut micros, mut done) = (Vec::new(), 0);
            for call in 0.. {
                let begun = Instant::now();
                if begun >= end {
                    break;
                }
                done += work(caller, call).await?;
                micros.push(u32::try_from(begun.elapsed().as_micros()).unwrap_or(u32::MAX));
            }
            Ok::<_, Error>((done, micros))
        });
    }
    let (mut done, mut micros) = (0, Vec::new());
    while let Some(finished) = tasks.join_next().await {
        let (count, mut part) = finished??;
        done += count;
        micros.append(&mut part);
    }
    let per_second = done as f64 / start.elapsed().as_secs_f64();
    micros.sort_unstable();
    Ok(Measured { per_second, ..Measured::of_micros(&micros) })
}

fn percentile(sorted: &[u32], share: f64) -> Option<f64> {
    let index = (sorted.len() as f64 * share) as usize;
    sorted.get(index.min(sorted.len().saturating_sub(1))).map(|micros| f64::from(*micros) / 1_000.0)
}

/// The run with the median rate.
pub fn median(runs: &[Measured]) -> Option<Measured> {
    let mut runs = runs.to_vec();
    runs.sort_by(|one, other| one.per_second.total_cmp(&other.per_second));
    runs.get(runs.len() / 2).copied()
}
