//! What was recorded once is read for ever: `schema.lock` holds it. `CQRS_SCHEMA=lock cargo test` adds what is new.

use cqrs_schema::{CheckError, EventSchema, Schemas};

use crate::account::{AccountEvent, AccountId};

fn schemas() -> Schemas {
    let other = || AccountId::new("ACC-002");
    Schemas::new().with(
        EventSchema::of()
            .sample(AccountEvent::Opened { owner: "An".to_owned() })
            .sample(AccountEvent::Deposited { amount: 2_000_000 })
            .sample(AccountEvent::Withdrawn { amount: 500_000 })
            .sample(AccountEvent::TransferredOut { amount: 300_000, to: other() })
            .sample(AccountEvent::TransferredIn { amount: 300_000, from: other() })
            .sample(AccountEvent::InterestCredited { amount: 4_000 })
            .sample(AccountEvent::Corrected { amount: -1_000, entry: 6 })
            .sample(AccountEvent::Closed),
    )
}

#[test]
fn all_that_was_recorded_is_still_read() -> Result<(), CheckError> {
    schemas().check_file(concat!(env!("CARGO_MANIFEST_DIR"), "/schema.lock"))
}
