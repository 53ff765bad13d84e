//! What a program does that knows its events.

use std::io::Write;

use clap::Subcommand;
use cqrs_schema::{Lock, Schemas};

use super::SchemaError;
use super::arguments::{Database, LockFile};
use crate::admin;

/// A command of a program that knows its events.
#[derive(Debug, Clone, Subcommand)]
pub enum OwnSchema {
    /// Adds what is new to the lockfile; nothing that is locked is changed or removed
    Lock {
        #[command(flatten)]
        #[allow(missing_docs, reason = "the group of arguments says it")]
        lock: LockFile,
    },
    /// Checks that all that is locked still decodes, whole, and that all that is written is locked
    Check {
        #[command(flatten)]
        #[allow(missing_docs, reason = "the group of arguments says it")]
        lock: LockFile,
    },
    /// Decodes every event of a store
    History {
        #[command(flatten)]
        #[allow(missing_docs, reason = "the group of arguments says it")]
        database: Database,
    },
}

impl OwnSchema {
    /// Carries it out.
    ///
    /// # Errors
    /// [`SchemaError`]: what could not be done, and what was found.
    pub async fn run(self, schemas: &Schemas, out: &mut (dyn Write + Send)) -> Result<(), SchemaError> {
        match self {
            Self::Lock { lock: LockFile { path } } => {
                let before = Lock::read(&path)?;
                let after = schemas.lock(&before)?;
                if after == before {
                    return say(out, "nothing is new");
                }
                after.write(&path)?;
                let new = after.event_types().count() - before.event_types().count();
                say(out, &format!("{} event types are locked, {new} of them new", after.event_types().count()))
            }
            Self::Check { lock: LockFile { path } } => {
                let lock = Lock::read(path)?;
                schemas.check(&lock)?;
                for unproven in schemas.unproven(&lock) {
                    say(out, &format!("note: {unproven} is read, and no recorded payload of it is known"))?;
                }
                say(out, &format!("{} event types decode", lock.event_types().count()))
            }
            Self::History { database: Database { database, schema } } => {
                let store = admin::open(&database, schema.as_deref()).await?;
                let report = schemas.read_history(store).await?;
                if report.undecodable > 0 {
                    let reason = |error: &cqrs_core::UndecodableEvent| format!("{error}: {}", error.source);
                    let first = report.first_undecodable.values().map(reason).collect();
                    return Err(SchemaError::Undecodable { count: report.undecodable, of: report.events, first });
                }
                for (event_type, count) in &report.by_type {
                    say(out, &format!("{count:>12} {event_type}"))?;
                }
                say(out, &format!("{} events decode", report.events))
            }
        }
    }
}

pub(super) fn say(out: &mut (dyn Write + Send), line: &str) -> Result<(), SchemaError> {
    writeln!(out, "{line}").map_err(SchemaError::printing)
}
