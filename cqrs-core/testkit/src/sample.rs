//! The sample domain of tests and examples: a bank account.
//!
//! ```
//! use cqrs_core::{AsOf, Context, Repository, in_memory::InMemoryEventStore};
//! use cqrs_testkit::sample::{Account, AccountId, Deposit, Open, Withdraw};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let accounts = Repository::<Account>::new(InMemoryEventStore::new());
//! let id = AccountId::new("ACC-001");
//! accounts.execute(&id, Open { owner: "Ann".to_owned() }).await?;
//! accounts.execute(&id, Deposit::new(2_000_000, "VND")).await?;
//! accounts.execute_with(&id, Withdraw { amount: 500_000 }, Context::new().actor("teller-7")).await?;
//! let account = accounts.load(&id).await?.expect("it was opened");
//! assert_eq!(account.state.balance(), 1_500_000);
//! # Ok(())
//! # }
//! ```

mod account;
mod command;
mod event;
mod format;

pub use account::{Account, AccountError, AccountId, Status};
pub use command::{CarryForward, Close, Deposit, Open, Withdraw};
pub use event::{AccountEvent, FORMER_ACCOUNT};
pub use format::{full_event, full_metadata, full_snapshot};
