//! The history of a store, decoded from its first event to its last.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use cqrs_core::{
    CodecError, EventStore, GlobalPosition, ReadAhead, ReadAll, RecordedEvent, StoreError, UndecodableEvent,
};

use crate::schemas::{Described, Schemas};

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
        let types = |set| Described::types(set).map(move |event_type| (event_type, set));
        let readers: Readers<'_> = self.sets.iter().flat_map(types).collect();
        let mut report = HistoryReport::default();
        loop {
            let page = pages.next().await?;
            for event in page.events {
                read_event(&readers, event, &mut report);
            }
            if !page.more {
                return Ok(report);
            }
        }
    }
}

type Readers<'a> = HashMap<&'static str, &'a Described>;

fn read_event(readers: &Readers<'_>, event: RecordedEvent, report: &mut HistoryReport) {
    let name = event.event_type.as_str();
    report.events += 1;
    match report.by_type.get_mut(name) {
        Some(count) => *count += 1,
        None => drop(report.by_type.insert(name.to_owned(), 1)),
    }
    let decoded = match readers.get(name) {
        Some(set) => set.decode(name, event.payload.as_bytes()).map(|_| ()),
        None => Err(CodecError::UnknownType(name.to_owned())),
    };
    if let Err(error) = decoded {
        report.undecodable += 1;
        let first = report.first_undecodable.entry(name.to_owned());
        first.or_insert_with(|| UndecodableEvent::new(event.clone(), error));
    }
}
