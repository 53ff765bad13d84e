//! The history of an account as an auditor reads it: who, when, why, and every value from old to new.

use std::error::Error;
use std::io::Write;

use cqrs_core::AuditReport;

use showcase::Report;

/// Prints an audit.
pub fn show(audit: &AuditReport, report: &mut Report<impl Write>) -> Result<(), Box<dyn Error>> {
    let [occurred, who, why, what, changes] = ["occurred", "who", "why", "what", "from what to what"];
    report.say(format_args!("  #  {occurred:<20}  {who:<10}  {why:<26}  {what:<28}  {changes}"))?;
    for entry in &audit.entries {
        let occurred = entry.happened_at().to_string();
        let [who, why] = [&entry.actor, &entry.reason].map(|said| said.as_deref().unwrap_or_default());
        let changes: Vec<_> = entry.changes.iter().map(ToString::to_string).collect();
        report.say(format_args!(
            "  {}  {occurred:<20}  {who:<10}  {why:<26}  {:<28}  {}",
            entry.version,
            entry.event_type.as_str(),
            changes.join(", ")
        ))?;
    }
    Ok(())
}
