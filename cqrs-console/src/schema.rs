//! `cqrs schema`, and the program of your own that locks and checks your events:
//!
//! ```no_run
//! // src/bin/schema.rs: `cargo run --bin schema -- lock`, `cargo run --bin schema -- check`
//! # use cqrs_core::DomainEvent;
//! # use cqrs_schema::{EventSchema, Schemas};
//! # use schemars::JsonSchema;
//! # use serde::{Deserialize, Serialize};
//! # #[derive(Serialize, Deserialize, JsonSchema, DomainEvent)]
//! # #[event(domain = "account")]
//! # enum AccountEvent { Deposited { amount: i64 } }
//! fn schemas() -> Schemas {
//!     Schemas::new().with(EventSchema::of().sample(AccountEvent::Deposited { amount: 500 }))
//! }
//!
//! #[tokio::main]
//! async fn main() -> std::process::ExitCode {
//!     cqrs_console::schema::main(&schemas()).await
//! }
//! ```

mod any;
mod arguments;
mod own;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use cqrs_core::StoreError;
use cqrs_schema::{LockError, Problems, RegistryError, Schemas};

pub use any::AnySchema;
pub use arguments::{Database, Demanded, LockFile};
pub use own::OwnSchema;

use crate::admin::OpenError;

/// Why a command was not carried out, or what it found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// The lockfile and the program do not go together.
    #[error(transparent)]
    Problems(#[from] Problems),
    /// The lockfile cannot be read or written.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The store cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store holds event types that are not locked.
    #[error("recorded and not locked: {}", .0.join(", "))]
    NotLocked(Vec<String>),
    /// The store holds events that do not decode.
    #[error("{count} of {of} events do not decode:\n{}", first.join("\n"))]
    Undecodable {
        /// How many.
        count: u64,
        /// Of how many.
        of: u64,
        /// The first of each type.
        first: Vec<String>,
    },
    /// The schemas are not published.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// Two schemas do not go together.
    #[error("not {demanded} compatible:\n{}", differences.join("\n"))]
    Incompatible {
        /// What was demanded.
        demanded: cqrs_schema::Compatibility,
        /// What stands against it.
        differences: Vec<String>,
    },
    /// A file is no JSON.
    #[error("{file} is no JSON")]
    Json {
        /// The file.
        file: String,
        /// Why.
        source: serde_json::Error,
    },
    /// A file cannot be read, or nothing can be printed.
    #[error("{what} cannot be read or written")]
    Io {
        /// The file.
        what: String,
        /// Why.
        source: io::Error,
    },
}

impl SchemaError {
    fn printing(source: io::Error) -> Self {
        Self::Io { what: "the output".to_owned(), source }
    }
}

#[derive(Parser)]
#[command(about = "Locks and checks the schemas of recorded events")]
struct Own {
    #[command(subcommand)]
    command: OwnSchema,
}

/// Carries out the command of the process' arguments with these events: `lock`, `check`, `history`.
pub async fn main(schemas: &Schemas) -> ExitCode {
    let Own { command } = Own::parse();
    let done = command.run(schemas, &mut io::stdout()).await;
    exit(done)
}

/// Prints an error and all that lies below it.
#[must_use]
pub fn exit(done: Result<(), SchemaError>) -> ExitCode {
    let Err(error) = done else { return ExitCode::SUCCESS };
    let mut text = error.to_string();
    let mut below = std::error::Error::source(&error);
    while let Some(cause) = below {
        text.push_str(&format!(": {cause}"));
        below = cause.source();
    }
    // Nobody is left to be told when even this fails.
    let _ = writeln!(io::stderr(), "error: {text}");
    ExitCode::FAILURE
}
