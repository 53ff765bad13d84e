//! A page of events, decoded; and the user's code that is called for each of them.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use cqrs_core::{
    CodecError, DeadLetterEvent, EventId, EventSet, GlobalPosition, Recorded, RecordedEvent, UndecodableEvent,
    is_lookup, key_rule,
};

use super::{FoldFailure, Skipped};
use crate::enrich::Stage;
use crate::error::ProjectionError;
use crate::error_policy::Judge;
use crate::projector::ProjectError;

/// A decoded page.
pub(super) struct Page<E> {
    /// Position and id of each event that was read; an upcaster makes one, none or several of it.
    pub(super) read: Vec<(GlobalPosition, EventId)>,
    pub(super) events: Vec<Recorded<E>>,
}

impl<E: EventSet> Page<E> {
    /// Decodes events up to the first that cannot be and is not left out.
    fn decode(page: Vec<RecordedEvent>, judge: &Judge, skipped: &mut Vec<Skipped>) -> (Self, Option<ProjectionError>) {
        let mut read = Vec::with_capacity(page.len());
        let mut events = Vec::with_capacity(page.len());
        let mut decoded = Vec::new();
        for raw in page {
            let at = (raw.position, raw.id);
            if let Err(error) = decode(raw, &mut decoded, &mut events) {
                let UndecodableEvent { id, position, event_type, stream, .. } = error.clone();
                let error = ProjectionError::Undecodable(error);
                let Some(failure) = judge.dead_letter(&error) else {
                    return (Self { read, events }, Some(error));
                };
                skipped.push(Skipped { event: DeadLetterEvent { id, position, event_type, stream }, failure });
            }
            read.push(at);
        }
        (Self { read, events }, None)
    }

    /// Decodes events up to the first that cannot be and is not left out, and enriches them: all or, where that fails, none.
    pub(super) async fn prepare(
        page: Vec<RecordedEvent>,
        stage: Option<&dyn Stage<E>>,
        judge: &Judge,
        skipped: &mut Vec<Skipped>,
    ) -> (Self, Option<ProjectionError>) {
        let (mut page, failed) = Self::decode(page, judge, skipped);
        if let Some(stage) = stage
            && let Err(error) = stage.run(&mut page.events).await
        {
            skipped.clear();
            return (Self { read: Vec::new(), events: Vec::new() }, Some(error));
        }
        (page, failed)
    }

    /// Keeps what stands before a position.
    pub(super) fn cut(&mut self, position: GlobalPosition) {
        self.read.retain(|(at, _)| *at < position);
        self.events.retain(|event| event.position < position);
    }
}

fn decode<E: EventSet>(
    raw: RecordedEvent,
    events: &mut Vec<E>,
    into: &mut Vec<Recorded<E>>,
) -> Result<(), UndecodableEvent> {
    events.clear();
    // Upcasters are the user's code, too.
    let decoded = catch_unwind(AssertUnwindSafe(|| raw.decode(events))).unwrap_or_else(|panic| {
        let (event_type, reason) = (raw.event_type.to_string(), panicked(&*panic).reason().to_owned());
        Err(CodecError::Upcast { event_type, reason })
    });
    if let Err(source) = decoded {
        return Err(UndecodableEvent::new(raw, source));
    }
    let last = events.pop();
    into.extend(events.drain(..).map(|event| Recorded { event, raw: raw.clone() }));
    into.extend(last.map(|event| Recorded { event, raw }));
    Ok(())
}

/// Calls the user's code for an event and a document; the key is empty where it is not about one. A panic is a refusal.
pub(super) fn call<E, T>(
    event: &Recorded<E>,
    key: &str,
    code: impl FnOnce() -> Result<T, ProjectError>,
) -> Result<T, FoldFailure> {
    catch_unwind(AssertUnwindSafe(code))
        .unwrap_or_else(|panic| Err(panicked(&*panic)))
        .map_err(|source| refused(event, key, source))
}

pub(super) fn refused<E>(event: &Recorded<E>, key: &str, source: ProjectError) -> FoldFailure {
    let error = ProjectionError::Project {
        event_id: event.id,
        event_type: event.event_type.clone(),
        position: event.position,
        key: key.to_owned(),
        source,
    };
    FoldFailure { position: event.position, error: Box::new(error) }
}

/// Refuses what an event is routed to and is no key.
pub(super) fn check_key<E>(event: &Recorded<E>, key: &str) -> Result<(), FoldFailure> {
    let reason = match key_rule(key) {
        None if is_lookup(key) => "a key has no control characters",
        None => return Ok(()),
        Some(reason) => reason,
    };
    let (event_id, position) = (event.id, event.position);
    let key = key.chars().take(80).collect();
    let error = ProjectionError::InvalidKey { event_id, position, key, reason };
    Err(FoldFailure { position, error: Box::new(error) })
}

fn panicked(panic: &(dyn Any + Send)) -> ProjectError {
    ProjectError::new(format!("panicked: {}", panic_text(panic)))
}

/// What code of the user said when it panicked.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}
