//! Snapshots in a table beside the events.

use std::sync::Arc;

use async_trait::async_trait;
use cqrs_core::{
    AsOf, EventId, GlobalPosition, ListStreams, PrunedSnapshots, Snapshot, SnapshotQuery, SnapshotRetention,
    SnapshotStore, StoreError, StreamName, Timestamp, Version,
};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqlitePool};
use uuid::Uuid;

use crate::connection::WriteConnection;
use crate::error::store_error;
use crate::event_store::bound;
use crate::row::{payload, position, stream, timestamp, version};
use crate::statements::{
    CLEAR_SNAPSHOTS, NEWEST_SNAPSHOT, PRUNE_SNAPSHOTS, PRUNE_STREAMS, SAVE_SNAPSHOT, STREAMS_WITH_SNAPSHOTS,
};

/// The snapshots that belong to a [`SqliteEventStore`](crate::SqliteEventStore).
#[derive(Debug, Clone)]
pub struct SqliteSnapshotStore {
    pub(crate) pool: SqlitePool,
    pub(crate) writes: Arc<WriteConnection>,
}

#[async_trait]
impl SnapshotStore for SqliteSnapshotStore {
    async fn save(&self, snapshot: Snapshot) -> Result<(), StoreError> {
        let save = || {
            sqlx::query(SAVE_SNAPSHOT)
                .bind(snapshot.stream.as_str())
                .bind(i64::from(snapshot.state_version))
                .bind(snapshot.fingerprint.cast_signed())
                .bind(snapshot.version.get().cast_signed())
                .bind(snapshot.position.get().cast_signed())
                .bind(snapshot.event_id.as_uuid())
                .bind(snapshot.recorded_at.as_micros())
                .bind(snapshot.happened_until.as_micros())
                .bind(snapshot.state.as_str())
        };
        self.writes.execute(save).await.map_err(store_error)?;
        Ok(())
    }

    async fn newest(&self, query: &SnapshotQuery) -> Result<Option<Snapshot>, StoreError> {
        let (mut at_version, mut at_position) = (Version::MAX, GlobalPosition::MAX);
        let (mut recorded, mut happened) = (Timestamp::MAX, Timestamp::MAX);
        match query.as_of {
            None => {}
            Some(AsOf::Version(version)) => at_version = version,
            Some(AsOf::Position(position)) => at_position = position,
            Some(AsOf::Recorded(time)) => recorded = time,
            Some(AsOf::Occurred(time)) => happened = time,
            Some(AsOf::Bitemporal { occurred, recorded: known }) => (happened, recorded) = (occurred, known),
            // A moment that this version does not know: the events answer it.
            Some(_) => return Ok(None),
        }
        let row = sqlx::query(NEWEST_SNAPSHOT)
            .bind(query.stream.as_str())
            .bind(i64::from(query.state_version))
            .bind(query.fingerprint.cast_signed())
            .bind(at_version.get().cast_signed())
            .bind(at_position.get().cast_signed())
            .bind(recorded.as_micros())
            .bind(happened.as_micros())
            .fetch_optional(&self.pool)
            .await;
        row.and_then(|row| row.map(|row| snapshot(query, &row)).transpose()).map_err(store_error)
    }

    async fn prune(&self, stream: &StreamName, retention: SnapshotRetention) -> Result<u64, StoreError> {
        let prune = || {
            sqlx::query(PRUNE_SNAPSHOTS)
                .bind(stream.as_str())
                .bind(i64::from(retention.state_version))
                .bind(retention.fingerprint.cast_signed())
                .bind(i64::from(retention.keep))
        };
        let dropped = self.writes.execute(prune).await.map_err(store_error)?;
        Ok(dropped.len() as u64)
    }

    async fn prune_streams(
        &self,
        page: &ListStreams,
        retention: SnapshotRetention,
    ) -> Result<PrunedSnapshots, StoreError> {
        let (after, before) = page.bounds();
        let limit = bound(page.limit.max(1));
        let streams = sqlx::query(STREAMS_WITH_SNAPSHOTS).bind(after.as_str()).bind(before).bind(limit);
        let row = streams.fetch_one(&self.pool).await.map_err(store_error)?;
        let streams: i64 = row.try_get(0).map_err(store_error)?;
        if streams == 0 {
            return Ok(PrunedSnapshots::default());
        }
        let last = stream(&row, 1).map_err(store_error)?;
        let prune = || {
            sqlx::query(PRUNE_STREAMS)
                .bind(after.as_str())
                .bind(last.as_str())
                .bind(i64::from(retention.state_version))
                .bind(retention.fingerprint.cast_signed())
                .bind(i64::from(retention.keep))
        };
        let dropped = self.writes.execute(prune).await.map_err(store_error)?.len() as u64;
        Ok(PrunedSnapshots { streams: streams.cast_unsigned(), dropped, last: Some(last), more: streams == limit })
    }

    async fn clear(&self, stream: &StreamName) -> Result<(), StoreError> {
        let clear = || sqlx::query(CLEAR_SNAPSHOTS).bind(stream.as_str());
        self.writes.execute(clear).await.map_err(store_error)?;
        Ok(())
    }
}

fn snapshot(query: &SnapshotQuery, row: &SqliteRow) -> Result<Snapshot, sqlx::Error> {
    Ok(Snapshot {
        stream: query.stream.clone(),
        state_version: query.state_version,
        fingerprint: query.fingerprint,
        version: version(row, 0)?,
        position: position(row, 1)?,
        event_id: EventId::from_uuid(row.try_get::<Uuid, _>(2)?),
        recorded_at: timestamp(row, 3)?,
        happened_until: timestamp(row, 4)?,
        state: payload(row, 5)?,
    })
}
