//! The lockfile of a repository, in a test of its own.

use std::path::Path;

use crate::lock::{Lock, LockError};
use crate::problem::Problems;
use crate::schemas::Schemas;

/// The variable that has a check lock what is new.
const VARIABLE: &str = "CQRS_SCHEMA";

/// Why a lockfile does not pass.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// It does not go with the program.
    #[error(transparent)]
    Problems(#[from] Problems),
    /// It cannot be read or written.
    #[error(transparent)]
    Lock(#[from] LockError),
}

impl Schemas {
    /// Checks a lockfile: all that a test has to call. Where the environment says `CQRS_SCHEMA=lock`, what is new is locked
    /// first, as `CQRS_SCHEMA=lock cargo test` does by hand.
    ///
    /// ```no_run
    /// # fn schemas() -> cqrs_schema::Schemas { cqrs_schema::Schemas::new() }
    /// # fn main() -> Result<(), cqrs_schema::CheckError> {
    /// schemas().check_file(concat!(env!("CARGO_MANIFEST_DIR"), "/schema.lock"))?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`CheckError`]: what the [check](Self::check) found, or that the file cannot be read or written.
    pub fn check_file(&self, path: impl AsRef<Path>) -> Result<(), CheckError> {
        self.check_or_lock(path.as_ref(), std::env::var_os(VARIABLE).is_some_and(|value| value == "lock"))
    }

    fn check_or_lock(&self, path: &Path, lock: bool) -> Result<(), CheckError> {
        let before = Lock::read(path)?;
        if !lock {
            return Ok(self.check(&before)?);
        }
        let after = self.lock(&before)?;
        if after != before {
            after.write(path)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_writes_only_when_it_is_told_to() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("schema.lock");
        let schemas = crate::schemas::tests::one();
        assert!(matches!(schemas.check_or_lock(&path, false), Err(CheckError::Problems(_))));
        assert!(!path.exists());
        schemas.check_or_lock(&path, true).unwrap();
        let locked = std::fs::read(&path).unwrap();
        schemas.check_or_lock(&path, false).unwrap();
        Schemas::new().check_or_lock(&path, true).unwrap_err();
        assert_eq!(std::fs::read(&path).unwrap(), locked, "what is refused is not locked away");
    }
}
