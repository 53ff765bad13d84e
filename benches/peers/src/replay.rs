//! The balance of one account with a long history.

use std::time::Instant;

use uuid::Uuid;

use crate::Error;
use crate::account::{Account, Command};
use crate::measure::{Measured, median};
use crate::peer::{Peer, Refused};

/// Entries of one decision while the history is written.
const AT_ONCE: u64 = 1_000;

pub async fn write(peer: &dyn Peer, account: Uuid, entries: u64) -> Result<(), Refused> {
    peer.execute(account, &Command::Open).await?;
    for from in (0..entries).step_by(AT_ONCE as usize) {
        peer.execute(account, &Command::Enter(from..(from + AT_ONCE).min(entries))).await?;
    }
    Ok(())
}

/// The first load is not counted: where there are snapshots, it may be the one that takes it.
/// A wrong balance is a fault; it took its time all the same.
pub async fn run(
    peer: &dyn Peer,
    account: Uuid,
    entries: u64,
    loads: usize,
    faults: &mut Vec<String>,
) -> Result<Measured, Error> {
    peer.balance(account).await?;
    let mut runs = Vec::new();
    for _ in 0..loads {
        peer.before_balance().await?;
        let begun = Instant::now();
        let balance = peer.balance(account).await?;
        let seconds = begun.elapsed().as_secs_f64();
        let right = Account::balance_after(entries);
        if balance != right {
            faults.push(format!("loaded {balance} after {entries} entries instead of {right}"));
        }
        let milliseconds = Some(seconds * 1_000.0);
        runs.push(Measured { per_second: entries as f64 / seconds, p50_ms: milliseconds, p99_ms: milliseconds });
    }
    median(&runs).ok_or_else(|| "no loads".into())
}
