//! Snapshots in a table beside the events.

use async_trait::async_trait;
use cqrs_core::{
    AsOf, EventId, GlobalPosition, ListStreams, PrunedSnapshots, Snapshot, SnapshotQuery, SnapshotRetention,
    SnapshotStore, StoreError, StreamName, Timestamp, Version,
};
use sqlx::Row;
use uuid::Uuid;

use crate::error::store_error;
use crate::event_store::bound;
use crate::row::{self, payload, position, version};
use crate::session::Sessions;
use crate::statements::Statements;
use crate::value::PgTimestamp;

/// The snapshots that belong to a [`PgEventStore`](crate::PgEventStore).
#[derive(Debug, Clone)]
pub struct PgSnapshotStore {
    pub(crate) sessions: Sessions,
    pub(crate) sql: Statements,
}

#[async_trait]
impl SnapshotStore for PgSnapshotStore {
    async fn save(&self, snapshot: Snapshot) -> Result<(), StoreError> {
        let statement = self
            .sql
            .query(&self.sql.save_snapshot)
            .bind(snapshot.stream.as_str())
            .bind(i64::from(snapshot.state_version))
            .bind(snapshot.fingerprint.cast_signed())
            .bind(snapshot.version.get().cast_signed())
            .bind(snapshot.position.get().cast_signed())
            .bind(snapshot.event_id.as_uuid())
            .bind(PgTimestamp(snapshot.recorded_at))
            .bind(PgTimestamp(snapshot.happened_until))
            .bind(snapshot.state.as_str());
        self.sessions.execute(statement).await.map_err(store_error)?;
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
        let statement = self
            .sql
            .query(&self.sql.newest_snapshot)
            .bind(query.stream.as_str())
            .bind(i64::from(query.state_version))
            .bind(query.fingerprint.cast_signed())
            .bind(at_version.get().cast_signed())
            .bind(at_position.get().cast_signed())
            .bind(PgTimestamp(recorded))
            .bind(PgTimestamp(happened));
        let row = self.sessions.fetch_optional(statement).await.map_err(store_error)?;
        let Some(row) = row else { return Ok(None) };
        let decode = || {
            Ok(Snapshot {
                stream: query.stream.clone(),
                state_version: query.state_version,
                fingerprint: query.fingerprint,
                version: version(&row, 0)?,
                position: position(&row, 1)?,
                event_id: EventId::from_uuid(row.try_get::<Uuid, _>(2)?),
                recorded_at: row.try_get::<PgTimestamp, _>(3)?.0,
                happened_until: row.try_get::<PgTimestamp, _>(4)?.0,
                state: payload(&row, 5)?,
            })
        };
        decode().map(Some).map_err(store_error)
    }

    async fn prune(&self, stream: &StreamName, retention: SnapshotRetention) -> Result<u64, StoreError> {
        let statement = self
            .sql
            .query(&self.sql.prune_snapshots)
            .bind(stream.as_str())
            .bind(i64::from(retention.state_version))
            .bind(retention.fingerprint.cast_signed())
            .bind(i64::from(retention.keep));
        let done = self.sessions.execute(statement).await.map_err(store_error)?;
        Ok(done.rows_affected())
    }

    async fn prune_streams(
        &self,
        page: &ListStreams,
        retention: SnapshotRetention,
    ) -> Result<PrunedSnapshots, StoreError> {
        let (after, before) = page.bounds();
        let limit = bound(page.limit.max(1));
        let streams = self.sql.query(&self.sql.streams_with_snapshots).bind(after.as_str()).bind(before).bind(limit);
        let row = self.sessions.fetch_optional(streams).await.map_err(store_error)?;
        let found = row.map(|row| Ok((row.try_get::<i64, _>(0)?, row.try_get::<Option<String>, _>(1)?)));
        let Some((streams, Some(last))) = found.transpose().map_err(store_error)? else {
            return Ok(PrunedSnapshots::default());
        };
        let statement = self
            .sql
            .query(&self.sql.prune_streams)
            .bind(after)
            .bind(last.as_str())
            .bind(i64::from(retention.state_version))
            .bind(retention.fingerprint.cast_signed())
            .bind(i64::from(retention.keep));
        let done = self.sessions.execute(statement).await.map_err(store_error)?;
        let last = StreamName::new(last).map_err(|error| store_error(row::corrupt(error)))?;
        Ok(PrunedSnapshots {
            streams: streams.cast_unsigned(),
            dropped: done.rows_affected(),
            last: Some(last),
            more: streams == limit,
        })
    }

    async fn clear(&self, stream: &StreamName) -> Result<(), StoreError> {
        let statement = self.sql.query(&self.sql.clear_snapshots).bind(stream.as_str());
        self.sessions.execute(statement).await.map_err(store_error)?;
        Ok(())
    }
}
