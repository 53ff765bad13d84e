//! What is asked of every library.

use async_trait::async_trait;
use uuid::Uuid;

use crate::Error;
use crate::account::{Command, Rejected};

#[async_trait]
pub trait Peer: Send + Sync {
    /// Loads the account, decides and records; answers when the events are committed.
    async fn execute(&self, account: Uuid, command: &Command) -> Result<(), Refused>;

    /// The balance, from the account's events, or from its snapshot where the library keeps them.
    async fn balance(&self, account: Uuid) -> Result<i64, Error>;

    /// What happens before each timed [`balance`](Self::balance).
    async fn before_balance(&self) -> Result<(), Error> {
        Ok(())
    }
}

#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// Somebody else was first, says the library: to be tried again.
    #[error("conflict")]
    Conflict,
    /// By the rules of the account.
    #[error(transparent)]
    Rejected(#[from] Rejected),
    #[error(transparent)]
    Failed(#[from] Error),
}

impl Refused {
    pub fn failed(error: impl Into<Error>) -> Self {
        Self::Failed(error.into())
    }
}
