//! What a relay asks the database and tells it.

use std::collections::HashMap;
use std::time::Duration;

use cqrs_core::StoreError;
use sqlx::postgres::PgRow;
use sqlx::{Connection, Row};
use uuid::Uuid;

use super::settlement::{Lane, OpenMessage, Settlement};
use super::status::{message, micros};
use crate::error::store_error;
use crate::event_store::PgEventStore;

/// Bytes of payload that are read at once, roughly.
const BYTES: i64 = 8 << 20;

/// Messages that are removed at once.
const REMOVED: i64 = 1_000;

/// The lanes of the outbox, as one relay sees them.
#[derive(Debug)]
pub(super) struct Lanes {
    pub store: PgEventStore,
    /// By this it knows which lanes it owns.
    pub owner: Uuid,
}

/// When there is something to do, and nobody needs to say so.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct NextDue {
    /// It had been announced that no relay waits: messages may have come without a notification.
    pub look_again: bool,
    pub after: Option<Duration>,
}

impl Lanes {
    /// Takes lanes that are due, with their next messages: `messages` at most, those due for longest first.
    pub async fn claim(&self, messages: u32, lease: Duration) -> Result<Vec<Lane>, StoreError> {
        let (sessions, sql) = (self.store.sessions(), self.store.sql());
        sessions
            .in_time(async {
                let mut session = sessions.start().await?;
                let claim =
                    sql.query(&sql.claim_lanes).bind(self.owner).bind(as_micros(lease)).bind(i64::from(messages));
                let claimed = claim.fetch_all(&mut *session).await?;
                let names: Vec<String> = claimed.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
                let mut rows = Vec::new();
                if !names.is_empty() {
                    // In a statement of its own: it sees all that earlier owners have done.
                    let each = i64::from(messages) / names.len().cast_signed() as i64;
                    let open = sql.query(&sql.open_messages).bind(&names).bind(each.max(1)).bind(BYTES);
                    rows = open.fetch_all(&mut *session).await?;
                }
                session.done().await?;
                let mut lanes: Vec<Lane> = names.into_iter().map(|name| Lane { name, messages: Vec::new() }).collect();
                let places: HashMap<String, usize> =
                    lanes.iter().enumerate().map(|(place, lane)| (lane.name.clone(), place)).collect();
                for row in rows {
                    let open = OpenMessage {
                        sequence: row.try_get(1)?,
                        message: message(&row)?,
                        is_parked: row.try_get(7)?,
                        attempts: row.try_get::<i32, _>(8)?.unsigned_abs(),
                        failing_for: micros(row.try_get(9)?),
                    };
                    if let Some(&place) = places.get(row.try_get::<&str, _>(0)?) {
                        lanes[place].messages.push(open);
                    }
                }
                Ok(lanes)
            })
            .await
            .map_err(store_error)
    }

    /// Writes what became of messages, and gives the lanes back. Lanes that another relay has taken over stay as they are.
    pub async fn settle(&self, settlement: &Settlement, poll: Duration) -> Result<(), StoreError> {
        let (sessions, sql) = (self.store.sessions(), self.store.sql());
        let (failed, released) = (&settlement.failed, &settlement.released);
        let done: Vec<&str> = released
            .iter()
            .filter(|released| released.delay == Some(Duration::ZERO))
            .map(|released| released.lane.as_str())
            .collect();
        sessions
            .in_time(async {
                let mut session = sessions.start_bare().await?;
                let mut transaction = session.begin_with(sessions.settings().begin()).await?;
                if !settlement.published.is_empty() {
                    let publish = sql.query(&sql.publish_messages).bind(&settlement.published).bind(self.owner);
                    publish.execute(&mut *transaction).await?;
                }
                if !failed.is_empty() {
                    let fail = sql
                        .query(&sql.fail_messages)
                        .bind(failed.iter().map(|failed| failed.sequence).collect::<Vec<i64>>())
                        .bind(failed.iter().map(|failed| failed.reason.as_str()).collect::<Vec<&str>>())
                        .bind(failed.iter().map(|failed| failed.is_parked).collect::<Vec<bool>>())
                        .bind(self.owner);
                    fail.execute(&mut *transaction).await?;
                }
                let release = sql
                    .query(&sql.release_lanes)
                    .bind(released.iter().map(|released| released.lane.as_str()).collect::<Vec<&str>>())
                    .bind(released.iter().map(|released| released.delay.map(as_micros)).collect::<Vec<Option<i64>>>())
                    .bind(released.iter().map(|released| released.had_messages).collect::<Vec<bool>>())
                    .bind(self.owner);
                release.execute(&mut *transaction).await?;
                if !done.is_empty() {
                    let locked = sql.query(&sql.lock_quiet_lanes).bind(&done).fetch_all(&mut *transaction).await?;
                    let quiet: Vec<&str> = locked.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
                    // In statements of their own: they see all that was enqueued before the locks.
                    sql.query(&sql.forget_lanes).bind(&quiet).execute(&mut *transaction).await?;
                    if quiet.len() < done.len() {
                        let linger = sql.query(&sql.linger_on_lanes).bind(&done).bind(as_micros(poll));
                        linger.execute(&mut *transaction).await?;
                    }
                }
                transaction.commit().await?;
                session.done().await
            })
            .await
            .map_err(store_error)
    }

    /// Announces that this relay waits to be woken.
    pub async fn wait(&self) -> Result<NextDue, StoreError> {
        let sql = self.store.sql();
        let row = self.store.sessions().fetch_optional(sql.query(&sql.wait_for_messages)).await;
        let next = |row: PgRow| Ok(NextDue { look_again: row.try_get(0)?, after: micros(row.try_get(1)?) });
        row.and_then(|row| row.map_or(Ok(NextDue::default()), next)).map_err(store_error)
    }

    /// Removes messages that were settled so long ago, and finds those without a lane. Whether there may be more to remove.
    pub async fn sweep(&self, retention: Duration) -> Result<bool, StoreError> {
        let sql = self.store.sql();
        self.store.sessions().execute(sql.query(&sql.restore_lanes)).await.map_err(store_error)?;
        let remove = sql.query(&sql.remove_messages).bind(as_micros(retention)).bind(REMOVED);
        let removed = self.store.sessions().execute(remove).await.map_err(store_error)?;
        Ok(removed.rows_affected() >= REMOVED.unsigned_abs())
    }
}

/// At most a thousand years, which the database can add to the present.
fn as_micros(duration: Duration) -> i64 {
    const LONGEST: Duration = Duration::from_secs(1_000 * 365 * 24 * 60 * 60);
    i64::try_from(duration.min(LONGEST).as_micros()).unwrap_or(i64::MAX)
}
