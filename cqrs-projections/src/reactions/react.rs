//! A reactor without its types.

use std::panic::AssertUnwindSafe;

use async_trait::async_trait;
use cqrs_core::{EventSet, EventType, Failure, Recorded, RecordedEvent};
use futures::FutureExt;

use crate::batch::panic_text;
use crate::error::ProjectionError;
use crate::reactor::{ReactError, Reactor};

#[async_trait]
pub(super) trait React: Send + Sync + 'static {
    fn event_types(&self) -> Vec<EventType>;

    /// Does all about one recorded event.
    async fn react(&self, event: RecordedEvent) -> Result<(), ProjectionError>;
}

pub(super) struct Reacting<R>(R);

impl<R: Reactor> Reacting<R> {
    pub(super) const fn new(reactor: R) -> Self {
        Self(reactor)
    }
}

#[async_trait]
impl<R: Reactor> React for Reacting<R> {
    fn event_types(&self) -> Vec<EventType> {
        R::Event::event_types()
    }

    async fn react(&self, raw: RecordedEvent) -> Result<(), ProjectionError> {
        let (event_id, event_type, position) = (raw.id, raw.event_type.clone(), raw.position);
        let failed = |source| ProjectionError::React { event_id, event_type, position, source };
        let panicked = |panic: Box<dyn std::any::Any + Send>| {
            ReactError::Permanent(Failure::new(format!("panicked: {}", panic_text(&*panic))))
        };
        let events = std::panic::catch_unwind(|| Recorded::<R::Event>::decode_all(vec![raw]));
        let events = match events {
            Ok(events) => events.map_err(ProjectionError::Undecodable)?,
            Err(panic) => return Err(failed(panicked(panic))),
        };
        let reacted = async {
            for event in &events {
                self.0.react(event).await?;
            }
            Ok(())
        };
        let reacted = AssertUnwindSafe(reacted).catch_unwind().await;
        reacted.unwrap_or_else(|panic| Err(panicked(panic))).map_err(failed)
    }
}
