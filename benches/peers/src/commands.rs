//! Many callers, each on accounts of its own: open, then entries one by one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use uuid::Uuid;

use crate::Error;
use crate::account::Command;
use crate::measure::{Measured, load};
use crate::peer::{Peer, Refused};

/// What became of a run.
pub struct Done {
    pub measured: Measured,
    /// Every account, and how many events of it were acknowledged.
    pub acknowledged: Vec<(Uuid, u64)>,
    /// Attempts that ended as a conflict, though nobody else uses the account.
    pub conflicts: u64,
    /// Attempts that were rejected, though the rules of the account allow them.
    pub rejections: u64,
}

#[derive(Default)]
struct Tally {
    acknowledged: Vec<AtomicU64>,
    conflicts: AtomicU64,
    rejections: AtomicU64,
}

/// An account has an opening and this many `entries`; then the caller opens the next one.
pub async fn run(peer: Arc<dyn Peer>, callers: usize, entries: u64, duration: Duration) -> Result<Done, Error> {
    let run = Uuid::new_v4();
    let tally = Arc::new(Tally { acknowledged: (0..callers).map(|_| AtomicU64::new(0)).collect(), ..Tally::default() });
    let shared = Arc::clone(&tally);
    let measured = load(callers, duration, move |caller, call| {
        let (peer, tally) = (Arc::clone(&peer), Arc::clone(&shared));
        async move {
            let account = account(run, caller, call / (entries + 1));
            let command = match call % (entries + 1) {
                0 => Command::Open,
                number => Command::Enter(number - 1..number),
            };
            loop {
                match peer.execute(account, &command).await {
                    Ok(()) => break,
                    Err(Refused::Conflict) => tally.conflicts.fetch_add(1, Ordering::Relaxed),
                    Err(Refused::Rejected(_)) => tally.rejections.fetch_add(1, Ordering::Relaxed),
                    Err(Refused::Failed(error)) => return Err(error),
                };
            }
            if let Some(count) = tally.acknowledged.get(caller) {
                count.fetch_add(1, Ordering::Relaxed);
            }
            Ok(1)
        }
    })
    .await?;
    let acknowledged = tally.acknowledged.iter().enumerate().flat_map(|(caller, count)| {
        let count = count.load(Ordering::Relaxed);
        let accounts = count.div_ceil(entries + 1);
        (0..accounts)
            .map(move |number| (account(run, caller, number), (count - number * (entries + 1)).min(entries + 1)))
    });
    Ok(Done {
        measured,
        acknowledged: acknowledged.collect(),
        conflicts: tally.conflicts.load(Ordering::Relaxed),
        rejections: tally.rejections.load(Ordering::Relaxed),
    })
}

/// Random in all its bits, and found again.
fn account(run: Uuid, caller: usize, number: u64) -> Uuid {
    Uuid::new_v5(&run, format!("{caller}/{number}").as_bytes())
}
