//! The history of an account as an auditor reads it: who, when, why, and what the balance was before and after.

use std::error::Error;
use std::io::Write;

use cqrs_core::{CodecError, DomainEvent, Recorded, Timestamp, Version, fold};

use crate::account::{Account, AccountEvent};
use crate::amount::Amount;
use showcase::Report;

/// One entry.
#[derive(Clone, Debug)]
pub struct Entry {
    pub version: Version,
    pub occurred: Timestamp,
    pub recorded: Timestamp,
    pub actor: String,
    pub reason: String,
    pub event_type: &'static str,
    pub before: i64,
    pub after: i64,
}

/// The entries of a history, oldest first: a replay that looks at each state on the way.
pub fn entries(history: &[Recorded<AccountEvent>]) -> Result<Vec<Entry>, CodecError> {
    let mut account = Account::default();
    let mut entries = Vec::with_capacity(history.len());
    for recorded in history {
        let metadata = recorded.metadata()?;
        let before = account.balance;
        fold(&mut account, &recorded.event);
        entries.push(Entry {
            version: recorded.version,
            occurred: recorded.happened_at(),
            recorded: recorded.recorded_at,
            actor: metadata.actor.unwrap_or_default(),
            reason: metadata.reason.unwrap_or_default(),
            event_type: recorded.event.event_type(),
            before,
            after: account.balance,
        });
    }
    Ok(entries)
}

/// Prints the entries.
pub fn show(entries: &[Entry], report: &mut Report<impl Write>) -> Result<(), Box<dyn Error>> {
    let columns = ["occurred", "who", "why", "what", "balance before", "after"];
    let [occurred, who, why, what, before, after] = columns;
    report.say(format_args!("  #  {occurred:<20}  {who:<10}  {why:<26}  {what:<28}  {before:>15}  {after:>15}"))?;
    for Entry { version, occurred, actor, reason, event_type, before, after, .. } in entries {
        let (occurred, [before, after]) =
            (occurred.to_string(), [before, after].map(|&amount| Amount(amount).to_string()));
        report.say(format_args!(
            "  {version}  {occurred:<20}  {actor:<10}  {reason:<26}  {event_type:<28}  {before:>15}  {after:>15}"
        ))?;
    }
    Ok(())
}
