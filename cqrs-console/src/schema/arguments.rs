//! Arguments that several commands take.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use cqrs_schema::Compatibility;

/// Where the lockfile is.
#[derive(Debug, Clone, Args)]
pub struct LockFile {
    /// The lockfile
    #[arg(long = "lock", value_name = "FILE", default_value = "schema.lock")]
    pub(super) path: PathBuf,
}

/// Where the events are.
#[derive(Debug, Clone, Args)]
pub struct Database {
    /// The store: postgres://…, or the path of a SQLite file
    #[arg(long, value_name = "ADDRESS", env = "DATABASE_URL", hide_env_values = true)]
    pub(super) database: String,

    /// The schema in PostgreSQL; cqrs unless told
    #[arg(long, value_name = "NAME")]
    pub(super) schema: Option<String>,
}

/// What is demanded of a newer schema.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Demanded {
    /// Newer readers read what was written before
    Backward,
    /// Older readers read what is written now
    Forward,
    /// Both
    Full,
    /// Nothing
    None,
}

impl From<Demanded> for Compatibility {
    fn from(demanded: Demanded) -> Self {
        match demanded {
            Demanded::Backward => Self::Backward,
            Demanded::Forward => Self::Forward,
            Demanded::Full => Self::Full,
            Demanded::None => Self::None,
        }
    }
}
