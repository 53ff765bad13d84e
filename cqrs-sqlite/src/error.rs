//! What SQLite says, as decisions.

use cqrs_core::{Failure, StoreError};

/// What an error of the database means for the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// Another connection holds the lock: it did not happen, and may succeed later.
    Busy,
    /// It did not happen, or nobody knows when it was a commit; it may succeed later.
    Transient,
    /// The file is damaged, or none of ours.
    Corrupt,
    /// It did not happen, and will not.
    Permanent,
}

pub(crate) fn meaning(error: &sqlx::Error) -> Meaning {
    match error {
        sqlx::Error::Database(database) => {
            let code = database.code().and_then(|code| code.parse().ok());
            code.map_or(Meaning::Permanent, of_result_code)
        }
        sqlx::Error::Io(_) | sqlx::Error::WorkerCrashed | sqlx::Error::PoolTimedOut => Meaning::Transient,
        sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. } => Meaning::Corrupt,
        _ => Meaning::Permanent,
    }
}

/// By the primary code, the lowest byte, see <https://www.sqlite.org/rescode.html>.
fn of_result_code(code: u32) -> Meaning {
    match code & 0xff {
        // BUSY, LOCKED
        5 | 6 => Meaning::Busy,
        // NOMEM, INTERRUPT, IOERR, FULL, PROTOCOL
        7 | 9 | 10 | 13 | 15 => Meaning::Transient,
        // CORRUPT, NOTADB
        11 | 26 => Meaning::Corrupt,
        _ => Meaning::Permanent,
    }
}

/// An error of a call that changes no events.
pub(crate) fn store_error(error: sqlx::Error) -> StoreError {
    match meaning(&error) {
        Meaning::Busy | Meaning::Transient => StoreError::Transient(Failure::new(error)),
        Meaning::Corrupt => StoreError::Corrupt { what: error.to_string() },
        Meaning::Permanent => StoreError::Permanent(Failure::new(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn result_codes_become_decisions() {
        for (code, expected) in [
            (5, Meaning::Busy),
            (517, Meaning::Busy),
            (10, Meaning::Transient),
            (1034, Meaning::Transient),
            (13, Meaning::Transient),
            (11, Meaning::Corrupt),
            (26, Meaning::Corrupt),
            (8, Meaning::Permanent),
            (1811, Meaning::Permanent),
        ] {
            assert_eq!(of_result_code(code), expected, "{code}");
        }
    }
}
