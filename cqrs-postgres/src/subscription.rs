//! Hints that the log has grown: from this process at once, from others by NOTIFY. Subscriptions poll as well, so that a
//! lost hint costs latency only.

use std::sync::OnceLock;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use cqrs_core::GlobalPosition;
use sqlx::PgPool;
use sqlx::postgres::PgListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::schema::Schema;

/// The newest position that is known of. The listener starts with the first subscription and ends with the store.
#[derive(Debug)]
pub(crate) struct Newest {
    hint: watch::Sender<GlobalPosition>,
    listener: OnceLock<JoinHandle<()>>,
}

impl Newest {
    pub fn new(hint: watch::Sender<GlobalPosition>) -> Self {
        Self { hint, listener: OnceLock::new() }
    }

    pub fn follow(&self, pool: &PgPool, schema: &Schema) -> watch::Receiver<GlobalPosition> {
        self.listener.get_or_init(|| tokio::spawn(listen(pool.clone(), schema.channel(), self.hint.clone())));
        self.hint.subscribe()
    }
}

impl Drop for Newest {
    fn drop(&mut self) {
        if let Some(listener) = self.listener.get() {
            listener.abort();
        }
    }
}

async fn listen(pool: PgPool, channel: String, hint: watch::Sender<GlobalPosition>) {
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
    hint: &watch::Sender<GlobalPosition>,
    mut listening: impl FnMut(),
) -> Result<std::convert::Infallible, sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(channel).await?;
    listening();
    loop {
        let notification = listener.recv().await?;
        if let Ok(position) = notification.payload().parse() {
            advance(hint, GlobalPosition::new(position));
        }
    }
}

/// Hints never go back.
pub(crate) fn advance(hint: &watch::Sender<GlobalPosition>, position: GlobalPosition) {
    hint.send_if_modified(|newest| {
        let further = position > *newest;
        *newest = position.max(*newest);
        further
    });
}
