//! Transactions of the caller.

use cqrs_core::StoreId;

/// Why a transaction of the caller is not fit for what it is to hold. It is the cause of a `Permanent` error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnfitTransaction {
    /// It reads by a snapshot that was taken before the append lock was: what it sees of the log may be old.
    #[error("the transaction is under {isolation}, but append_in needs read committed")]
    Isolation {
        /// Its isolation, in the words of the database.
        isolation: String,
    },
    /// It runs in another database, which has a store of its own in a schema of the same name.
    #[error("the transaction is in the database of store {actual}, but this is store {expected}")]
    OtherStore {
        /// The store that is there.
        actual: StoreId,
        /// The store that was called.
        expected: StoreId,
    },
}
