//! Whether a library has kept what it acknowledged, once each.

use std::cmp::Ordering;

use uuid::Uuid;

use crate::Error;
use crate::account::Account;
use crate::database::Database;
use crate::peer::Peer;

/// What is wrong, a line each; empty when all is right.
pub async fn faults(
    peer: &dyn Peer,
    database: &Database,
    table: &str,
    acknowledged: &[(Uuid, u64)],
) -> Result<Vec<String>, Error> {
    let mut faults = Vec::new();
    let events: u64 = acknowledged.iter().map(|(_, events)| events).sum();
    let rows = database.count(table).await?;
    match rows.cmp(&events) {
        Ordering::Less => faults.push(format!("{} of {events} acknowledged events are lost", events - rows)),
        Ordering::Greater => faults.push(format!("{} rows more than the {events} acknowledged events", rows - events)),
        Ordering::Equal => {}
    }
    let (mut wrong, mut first) = (0, None);
    for (account, events) in acknowledged {
        let (balance, right) = (peer.balance(*account).await?, Account::balance_after(events - 1));
        if balance != right {
            wrong += 1;
            first.get_or_insert(format!("{balance} instead of {right}"));
        }
    }
    if let Some(first) = first {
        faults.push(format!("{wrong} of {} balances are wrong, the first is {first}", acknowledged.len()));
    }
    Ok(faults)
}
