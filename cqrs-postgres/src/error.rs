//! What PostgreSQL says, as decisions.

use cqrs_core::{Failure, ReadModelError, StoreError};
use sqlx::error::DatabaseError;

/// What an error of the database means for the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// No answer came: whatever was sent may or may not have happened.
    NoAnswer,
    /// It did not happen, and may succeed later.
    Transient,
    /// A unique key is taken: what the decision rested on is not so.
    Unique,
    /// It did not happen, and will not.
    Permanent,
}

pub(crate) fn meaning(error: &sqlx::Error) -> Meaning {
    match error {
        sqlx::Error::Database(database) => database.code().map_or(Meaning::Permanent, |code| of_sqlstate(&code)),
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => Meaning::NoAnswer,
        sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => Meaning::Transient,
        _ => Meaning::Permanent,
    }
}

/// By class, see <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
fn of_sqlstate(code: &str) -> Meaning {
    match code {
        "23505" => Meaning::Unique,
        // The server ends the session: the transaction is rolled back, unless its commit was on the way.
        "57P01" | "57P02" | "57P05" => Meaning::NoAnswer,
        // Starting or stopping, cancelled by a timeout, a standby that is read-only until it is promoted.
        "57P03" | "57014" | "25006" | "55P03" | "25P03" | "25P04" => Meaning::Transient,
        _ => match code.get(..2) {
            Some("08") => Meaning::NoAnswer,
            // Out of connections, memory or disk; deadlock and serialization failures.
            Some("53" | "40") => Meaning::Transient,
            _ => Meaning::Permanent,
        },
    }
}

/// An error of a call that changes nothing.
pub(crate) fn store_error(error: sqlx::Error) -> StoreError {
    match meaning(&error) {
        Meaning::NoAnswer | Meaning::Transient => StoreError::Transient(Failure::new(error)),
        Meaning::Unique | Meaning::Permanent => StoreError::Permanent(Failure::new(explain(error))),
    }
}

/// An error of a call of the read model, each of which may be repeated.
pub(crate) fn read_model_error(error: sqlx::Error) -> ReadModelError {
    if let sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. } = error {
        return ReadModelError::Corrupt { what: error.to_string() };
    }
    match meaning(&error) {
        Meaning::NoAnswer | Meaning::Transient => ReadModelError::Transient(Failure::new(error)),
        Meaning::Unique | Meaning::Permanent => {
            ReadModelError::Permanent(Failure::new(explain_by(error, "PgReadModel::migrate()")))
        }
    }
}

/// Whether the database refuses what it was given, and not the statement: a value, a constraint, a limit.
pub(crate) fn refuses_data(error: &sqlx::Error) -> bool {
    sqlstate(error).is_some_and(|code| matches!(code.get(..2), Some("22" | "23" | "54")))
}

/// Whether a table or function that a statement names is not there.
pub(crate) fn is_missing(error: &sqlx::Error) -> bool {
    sqlstate(error).is_some_and(|code| matches!(&*code, "42P01" | "42883" | "3F000"))
}

fn sqlstate(error: &sqlx::Error) -> Option<std::borrow::Cow<'_, str>> {
    error.as_database_error().and_then(DatabaseError::code)
}

/// Names the usual cause where the database's words do not.
pub(crate) fn explain(error: sqlx::Error) -> Box<dyn std::error::Error + Send + Sync> {
    explain_by(error, "PgEventStore::migrate()")
}

fn explain_by(error: sqlx::Error, migrate: &str) -> Box<dyn std::error::Error + Send + Sync> {
    if is_missing(&error) {
        return format!("the schema is not migrated: call {migrate} ({error})").into();
    }
    Box::new(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sqlstates_become_decisions() {
        for (code, expected) in [
            ("23505", Meaning::Unique),
            ("57P01", Meaning::NoAnswer),
            ("08006", Meaning::NoAnswer),
            ("53300", Meaning::Transient),
            ("40P01", Meaning::Transient),
            ("57014", Meaning::Transient),
            ("42P01", Meaning::Permanent),
            ("22P02", Meaning::Permanent),
        ] {
            assert_eq!(of_sqlstate(code), expected, "{code}");
        }
    }
}
