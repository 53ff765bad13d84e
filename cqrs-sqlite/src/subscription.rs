//! Hints that the log has grown: from this process at once, from others by looking often. Subscriptions poll as well, so
//! that a lost hint costs latency only.

use std::time::Duration;

use cqrs_core::{GlobalPosition, Hint};
use sqlx::SqlitePool;

use crate::statements::NEWEST;

/// How often subscriptions look for themselves, without any hint.
pub(crate) const POLL: Duration = Duration::from_secs(1);

/// Looks for what other processes append, for good: one cheap statement for all subscriptions.
pub(crate) async fn listen(pool: SqlitePool, every: Duration, hint: Hint) {
    loop {
        match sqlx::query_scalar::<_, i64>(NEWEST).fetch_one(&pool).await {
            Ok(position) => hint.advance(GlobalPosition::new(position.cast_unsigned())),
            Err(error) => tracing::debug!(%error, "not looking for events of others; subscriptions poll meanwhile"),
        }
        tokio::time::sleep(every).await;
    }
}
