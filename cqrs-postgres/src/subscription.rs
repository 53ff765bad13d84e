//! Hints that the log or the outbox has grown, by NOTIFY. Subscriptions and relays poll as well, so that a lost hint costs
//! latency only.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use cqrs_core::{GlobalPosition, Hint};
use sqlx::PgPool;
use sqlx::postgres::PgListener;
use tokio::sync::watch;

use crate::schema::Schema;

/// What is told of a notification.
#[derive(Debug, Clone)]
pub(crate) struct Hints {
    pub newest: Hint,
    pub outbox: watch::Sender<()>,
}

/// Hears of what is committed, for good.
pub(crate) async fn listen(pool: PgPool, schema: Schema, hints: Hints) {
    let pauses = ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(50))
        .with_max_delay(Duration::from_secs(5))
        .without_max_times()
        .with_jitter();
    let mut pause = pauses.build();
    loop {
        match hear(&pool, &schema, &hints, || pause = pauses.build()).await {
            Ok(never) => match never {},
            Err(error) => tracing::debug!(%schema, %error, "not listening; readers poll meanwhile"),
        }
        tokio::time::sleep(pause.next().unwrap_or(Duration::from_secs(5))).await;
    }
}

async fn hear(
    pool: &PgPool,
    schema: &Schema,
    hints: &Hints,
    mut listening: impl FnMut(),
) -> Result<std::convert::Infallible, sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    let outbox = schema.outbox_channel();
    listener.listen_all([schema.channel().as_str(), outbox.as_str()]).await?;
    listening();
    loop {
        let notification = listener.recv().await?;
        if notification.channel() == outbox {
            hints.outbox.send_replace(());
        } else if let Ok(position) = notification.payload().parse() {
            hints.newest.advance(GlobalPosition::new(position));
        }
    }
}
