//! The history of a store, decoded from its first event to its last.

use std::collections::BTreeMap;
use std::sync::Arc;

use cqrs_core::{
    CodecError, EventStore, EventType, GlobalPosition, ReadAhead, ReadAll, RecordedEvent, StoreError, UndecodableEvent,
};

use crate::schemas::Schemas;

/// What a reading of the whole history came to.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct HistoryReport {
    /// Events that were read.
    pub events: u64,
    /// How many of each event type.
    pub by_type: BTreeMap<String, u64>,
    /// How many events cannot be decoded.
    pub undecodable: u64,
    /// The first event of each type that cannot be decoded.
    pub first_undecodable: BTreeMap<String, UndecodableEvent>,
}

impl Schemas {
    /// Decodes every event of a store as these events: the last word on whether history decodes, in one pass over the log.
    /// Reads what was there when it came to the end.
    ///
    /// # Errors
    /// [`StoreError`] when the log cannot be read.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub async fn read_history(&self, store: Arc<dyn EventStore>) -> Result<HistoryReport, StoreError> {
        let mut pages = ReadAhead::new(store, ReadAll::after(GlobalPosition::START));
        let mut report = HistoryReport::default();
        loop {
            let page = pages.next().await?;
            for event in page.events {
                self.read_event(event, &mut report);
            }
            if !page.more {
                return Ok(report);
            }
        }
    }

    fn read_event(&self, event: RecordedEvent, report: &mut HistoryReport) {
        let event_type: EventType = event.event_type.clone();
        report.events += 1;
        *report.by_type.entry(event_type.to_string()).or_default() += 1;
        let decoded = match self.reader(event_type.as_str()) {
            Some(set) => set.decode(event_type.as_str(), event.payload.as_bytes()).map(|_| ()),
            None => Err(CodecError::UnknownType(event_type.to_string())),
        };
        if let Err(error) = decoded {
            report.undecodable += 1;
            let first = report.first_undecodable.entry(event_type.to_string());
            first.or_insert_with(|| UndecodableEvent::new(event, error));
        }
    }
}
