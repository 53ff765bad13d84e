//! The users of the years in which nobody was asked for an address.

use cqrs_core::{
    CommandId, EventId, EventType, GlobalPosition, ImportError, ImportEvents, Imported, InvalidName, InvalidTimestamp,
    Payload, RecordedEvent, StreamName, Timestamp, Version,
};

/// How many are taken in at a time.
const AT_ONCE: u64 = 10_000;

/// When the first of them signed up.
const FIRST: &str = "2015-01-01T00:00:00Z";

/// They signed up one minute after the other.
const MINUTE: i64 = 60_000_000;

#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    #[error(transparent)]
    Name(#[from] InvalidName),
    #[error(transparent)]
    Time(#[from] InvalidTimestamp),
    #[error(transparent)]
    Import(#[from] ImportError),
}

/// Takes in the first `users`, as they were recorded then: `user.created.v1` with a name.
pub async fn import(store: &dyn ImportEvents, users: u64) -> Result<Imported, HistoryError> {
    let mut all = Imported::default();
    for start in (0..users).step_by(AT_ONCE as usize) {
        let events = (start..users.min(start + AT_ONCE)).map(created).collect::<Result<_, _>>()?;
        let imported = store.import(events).await?;
        all.written += imported.written;
        all.repeated += imported.repeated;
    }
    Ok(all)
}

/// When user `number` signed up.
pub fn signed_up_at(number: u64) -> Result<Timestamp, InvalidTimestamp> {
    Ok(FIRST.parse::<Timestamp>()?.plus_micros(MINUTE * i64::try_from(number).unwrap_or(i64::MAX / MINUTE)))
}

fn created(number: u64) -> Result<RecordedEvent, HistoryError> {
    let time = signed_up_at(number)?;
    Ok(RecordedEvent {
        // The same each time that it is taken in.
        id: EventId::derive(CommandId::named(time, &format!("user_sign_up:{number}")), 0),
        event_type: EventType::new("user.created.v1")?,
        stream: StreamName::of("user", &number)?,
        version: Version::FIRST,
        position: GlobalPosition::new(number + 1),
        recorded_at: time,
        occurred_at: None,
        payload: Payload::from_bytes(format!(r#"{{"name":"User {number}"}}"#)),
        metadata: Payload::from_bytes("{}"),
    })
}
