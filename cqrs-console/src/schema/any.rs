//! What can be done without knowing any events.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use cqrs_schema::{Compatibility, Lock, SchemaDirectory, compare, publish_all};
use serde_json::Value;

use super::SchemaError;
use super::arguments::{Database, Demanded, LockFile};
use super::own::say;
use crate::admin;

/// A command of a program that knows no events.
#[derive(Debug, Clone, Subcommand)]
pub enum AnySchema {
    /// Checks that every event type that a store holds is locked
    Check {
        #[command(flatten)]
        #[allow(missing_docs, reason = "the group of arguments says it")]
        lock: LockFile,
        #[command(flatten)]
        #[allow(missing_docs, reason = "the group of arguments says it")]
        database: Database,
    },
    /// Publishes the schemas of a lockfile in a directory, for systems that consume the events
    Publish {
        #[command(flatten)]
        #[allow(missing_docs, reason = "the group of arguments says it")]
        lock: LockFile,
        /// The directory
        #[arg(long, value_name = "DIRECTORY")]
        to: PathBuf,
        /// What is demanded of a schema that was published before in another form
        #[arg(long, value_enum, default_value = "full")]
        compatibility: Demanded,
    },
    /// Compares two JSON Schemas
    Compare {
        /// The older one
        older: PathBuf,
        /// The newer one
        newer: PathBuf,
        /// What is demanded
        #[arg(long, value_enum, default_value = "full")]
        compatibility: Demanded,
    },
}

impl AnySchema {
    /// Carries it out.
    ///
    /// # Errors
    /// [`SchemaError`]: what could not be done, and what was found.
    pub async fn run(self, out: &mut (dyn Write + Send)) -> Result<(), SchemaError> {
        match self {
            Self::Check { lock: LockFile { path }, database: Database { database, schema } } => {
                let lock = Lock::read(path)?;
                let store = admin::open(&database, schema.as_deref()).await?;
                let missing = admin::not_locked(&*store, &lock).await?;
                if !missing.is_empty() {
                    return Err(SchemaError::NotLocked(missing.iter().map(ToString::to_string).collect()));
                }
                say(out, "every recorded event type is locked")
            }
            Self::Publish { lock: LockFile { path }, to, compatibility } => {
                let lock = Lock::read(path)?;
                for schema in publish_all(&SchemaDirectory::new(to), &lock, compatibility.into()).await? {
                    say(out, &format!("{} revision {}", schema.event_type, schema.revision))?;
                }
                Ok(())
            }
            Self::Compare { older, newer, compatibility } => {
                let demanded = Compatibility::from(compatibility);
                let comparison = compare(&json(&older)?, &json(&newer)?);
                let differences: Vec<String> = comparison.breaking(demanded).map(ToString::to_string).collect();
                if differences.is_empty() {
                    return say(out, &format!("{demanded} compatible"));
                }
                Err(SchemaError::Incompatible { demanded, differences })
            }
        }
    }
}

/// A JSON Schema, published or bare.
fn json(path: &Path) -> Result<Value, SchemaError> {
    let what = path.display().to_string();
    let text = std::fs::read(path).map_err(|source| SchemaError::Io { what: what.clone(), source })?;
    let mut json: Value = serde_json::from_slice(&text).map_err(|source| SchemaError::Json { file: what, source })?;
    match json.get_mut("schema") {
        Some(schema) => Ok(schema.take()),
        None => Ok(json),
    }
}
