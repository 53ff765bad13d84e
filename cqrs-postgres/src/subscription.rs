//! Hints that the log has grown: from this process at once, from others by NOTIFY. Subscriptions poll as well, so that a
//! lost hint costs latency only.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use cqrs_core::{GlobalPosition, Hint};
use sqlx::PgPool;
use sqlx::postgres::PgListener;

/// Hears of what other processes append, for good.
pub(crate) async fn listen(pool: PgPool, channel: String, hint: Hint) {
    let pauses = ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(50))
        .with_max_delay(Duration::from_secs(5))
        .without_max_times()
        .with_jitter();
    let mut pause = pauses.build();
    loop {
        match hear(&pool, &channel, &hint, || pause = pauses.build()).await {
            Ok(never) => match never {},
            Err(error) => tracing::debug!(%channel, %error, "not listening; subscriptions poll meanwhile"),
        }
        tokio::time::sleep(pause.next().unwrap_or(Duration::from_secs(5))).await;
    }
}

async fn hear(
    pool: &PgPool,
    channel: &str,
    hint: &Hint,
    mut listening: impl FnMut(),
) -> Result<std::convert::Infallible, sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(channel).await?;
    listening();
    loop {
        let notification = listener.recv().await?;
        if let Ok(position) = notification.payload().parse() {
            hint.advance(GlobalPosition::new(position));
        }
    }
}
