//! Given events, then documents: tests of projectors without any service.
//!
//! ```
//! # use cqrs_core::{DomainEvent, Recorded};
//! # use serde::{Deserialize, Serialize};
//! # use cqrs_projections::{ProjectError, Projector};
//! # #[derive(Serialize, Deserialize, DomainEvent)]
//! # #[event(domain = "account")]
//! # enum AccountEvent { Deposited { amount: i64 } }
//! # #[derive(Default, Serialize, Deserialize)]
//! # struct Summary { balance: i64 }
//! # struct AccountSummary;
//! # impl Projector for AccountSummary {
//! #     type Event = AccountEvent;
//! #     type Document = Summary;
//! #     fn route(&self, event: &Recorded<AccountEvent>, to: &mut Vec<String>) { to.push(event.stream.id().to_owned()); }
//! #     fn project(&self, event: &Recorded<AccountEvent>, _: &str, document: Option<Summary>)
//! #         -> Result<Option<Summary>, ProjectError> {
//! #         let AccountEvent::Deposited { amount } = event.event;
//! #         Ok(Some(Summary { balance: document.unwrap_or_default().balance + amount }))
//! #     }
//! # }
//! use cqrs_projections::testing::{event, given};
//!
//! given(AccountSummary, [
//!     event("account-ACC-001", &AccountEvent::Deposited { amount: 2 }),
//!     event("account-ACC-001", &AccountEvent::Deposited { amount: 3 }),
//! ])
//! .then_document("ACC-001", &Summary { balance: 5 })
//! .then_no_document("ACC-002");
//! ```

use std::collections::{BTreeMap, HashMap};
use std::fmt::Display;

use cqrs_core::{
    DomainEvent, GlobalPosition, NewEvent, ParkedDocuments, Partitions, Payload, RecordedEvent, StoredDocument,
    StreamName, Timestamp, Version, is_lookup,
};
use futures::FutureExt;
use serde::Serialize;
use serde_json::Value;

use crate::batch::{Fold, FoldFailure, Folded, Folding, Joining, Share, Stored};
use crate::error::ProjectionError;
use crate::error_policy::Judge;
use crate::join::JoinProjector;
use crate::projector::Projector;

/// When the first event is recorded: 2024-01-01T00:00:00Z. Each is recorded a second after the one before.
const FIRST_RECORDED: i64 = 1_704_067_200_000_000;

/// An event for [`given`]. Set its metadata and its occurred time with the methods of [`NewEvent`].
///
/// # Panics
/// When `stream` is no stream name, or the event cannot be encoded.
#[track_caller]
#[must_use]
pub fn event<E: DomainEvent>(stream: &str, event: &E) -> NewEvent {
    let stream = ok(StreamName::new(stream), "the stream's name");
    ok(NewEvent::encode(stream, event), "the event")
}

/// Folds events as the runner does, beginning with no documents. The first has position 1.
///
/// What the runner may do in the course of crashes is done as well: the events are folded all together, one by one with
/// each delivered twice, and one by one on top of the documents that they have already been folded into. The documents
/// must be the same each time.
#[must_use = "a test checks what comes out"]
pub fn given<P: Projector>(projector: P, events: impl IntoIterator<Item = NewEvent>) -> Given {
    Given::new(Folding::new(projector), events)
}

/// The same for a projector of joined documents. Its lookups are not among the documents.
#[must_use = "a test checks what comes out"]
pub fn given_join<P: JoinProjector>(projector: P, events: impl IntoIterator<Item = NewEvent>) -> Given {
    Given::new(Joining::new(projector), events)
}

impl Given {
    fn new(fold: impl Fold, events: impl IntoIterator<Item = NewEvent>) -> Self {
        let wanted = fold.filter();
        let events = recorded(events).into_iter().filter(|event| wanted.matches(event)).collect();
        Self { fold: Box::new(fold), before: Stored::new(), events }
    }
}

/// A projector with the events that it is given. The checks panic where something else comes out.
pub struct Given {
    fold: Box<dyn Fold>,
    before: Stored,
    events: Vec<RecordedEvent>,
}

impl Given {
    /// Begins with this document.
    ///
    /// # Panics
    /// When the document has no JSON form.
    #[track_caller]
    pub fn given_document<D: Serialize>(mut self, key: &str, document: &D) -> Self {
        let document = Some(ok(Payload::encode(document), "the given document"));
        self.before.insert(key.to_owned(), StoredDocument { document, position: GlobalPosition::START });
        self
    }

    /// The document is exactly this one (compared as JSON).
    ///
    /// # Panics
    /// When it is not.
    #[track_caller]
    pub fn then_document<D: Serialize>(self, key: &str, document: &D) -> Self {
        let expected = ok(serde_json::to_value(document), "the expected document");
        let documents = self.documents();
        let Some(found) = documents.get(key) else {
            let keys: Vec<_> = documents.keys().collect();
            fail(&format!("there is no document {key:?}; there are {keys:?}"));
        };
        same(&format!("document {key:?}"), found, &expected);
        self
    }

    /// There is no such document.
    ///
    /// # Panics
    /// When there is.
    #[track_caller]
    pub fn then_no_document(self, key: &str) -> Self {
        if let Some(found) = self.documents().get(key) {
            fail(&format!("there is a document {key:?}: {found:#}"))
        }
        self
    }

    /// There are these documents and no others.
    ///
    /// # Panics
    /// When it is otherwise.
    #[track_caller]
    pub fn then_documents<'a, D: Serialize>(self, documents: impl IntoIterator<Item = (&'a str, D)>) -> Self {
        let value = |document: D| ok(serde_json::to_value(document), "the expected document");
        let expected: BTreeMap<_, _> =
            documents.into_iter().map(|(key, document)| (key.to_owned(), value(document))).collect();
        same("the documents", &self.documents(), &expected);
        self
    }

    /// An event is refused, for a reason that holds this text.
    ///
    /// # Panics
    /// When none is, or for another reason.
    #[track_caller]
    pub fn then_error(self, reason: &str) -> Self {
        let Err(error) = self.fold_all() else { fail("every event was folded") };
        let text = chain(&error);
        if text.contains(reason) { self } else { fail(&format!("the reason is another one: {text}")) }
    }

    /// All documents as JSON.
    ///
    /// # Panics
    /// When an event is refused, or the documents depend on how the events are delivered.
    #[track_caller]
    #[must_use]
    pub fn documents(&self) -> BTreeMap<String, Value> {
        let together = self.fold_all();
        let together = together.unwrap_or_else(|error| fail(&chain(&error)));
        let mut twice = self.before.clone();
        let mut again = together.clone();
        for event in &self.events {
            for stored in [&mut twice, &mut again] {
                for _ in 0..2 {
                    if let Err(error) = self.fold_into(stored, vec![event.clone()]) {
                        fail(&format!("when events are folded one by one: {}", chain(&error)))
                    }
                }
            }
        }
        let together = values(&together);
        same("what is folded one by one (the projector is not pure)", &values(&twice), &together);
        same("what is folded again after a crash (the projector is not pure)", &values(&again), &together);
        together
    }

    fn fold_all(&self) -> Result<Stored, ProjectionError> {
        let mut stored = self.before.clone();
        self.fold_into(&mut stored, self.events.clone())?;
        Ok(stored)
    }

    fn fold_into(&self, stored: &mut Stored, events: Vec<RecordedEvent>) -> Result<(), ProjectionError> {
        let all = Share { partition: 0, after: GlobalPosition::START };
        let planned = self.fold.plan_one(events, Partitions::ONE, all, &Judge::strict()).now_or_never();
        let planned = planned.unwrap_or_else(|| fail("nothing here has to be waited for"));
        if let Some(error) = planned.failed {
            return Err(error);
        }
        let writes = loop {
            let folded = planned.plan.fold(stored, &ParkedDocuments::default());
            let first = |met: Vec<FoldFailure>| met.into_iter().min_by_key(|failure| failure.position);
            match folded.map_err(|met| first(met).map_or(ProjectionError::Aborted, |failure| *failure.error))? {
                Folded::Writes(writes) => break writes.documents,
                Folded::Needs(keys) => {
                    let absent = StoredDocument { document: None, position: GlobalPosition::START };
                    stored.extend(keys.into_iter().map(|key| (key, absent.clone())));
                }
            }
        };
        stored.extend(writes.into_iter().map(|write| {
            let document = StoredDocument { document: write.document, position: write.position };
            (write.key, document)
        }));
        Ok(())
    }
}

/// The events as a store would record them.
fn recorded(events: impl IntoIterator<Item = NewEvent>) -> Vec<RecordedEvent> {
    let mut versions: HashMap<StreamName, Version> = HashMap::new();
    let record = |(index, event): (usize, NewEvent)| {
        let version = Version::after(versions.get(&event.stream).copied());
        versions.insert(event.stream.clone(), version);
        RecordedEvent {
            id: event.id,
            event_type: event.event_type,
            stream: event.stream,
            version,
            position: GlobalPosition::new(index as u64 + 1),
            recorded_at: Timestamp::from_micros(FIRST_RECORDED + index as i64 * 1_000_000),
            occurred_at: event.occurred_at,
            payload: event.payload,
            metadata: ok(Payload::encode(&event.metadata), "the metadata"),
        }
    };
    events.into_iter().enumerate().map(record).collect()
}

fn values(stored: &Stored) -> BTreeMap<String, Value> {
    let document = |stored: &StoredDocument| stored.document.as_ref().map(|json| ok(json.decode(), "the document"));
    let documents = stored.iter().filter(|(key, _)| !is_lookup(key));
    documents.filter_map(|(key, stored)| Some((key.clone(), document(stored)?))).collect()
}

#[track_caller]
fn same<T: PartialEq + Serialize>(what: &str, found: &T, expected: &T) {
    if found != expected {
        let text = |value: &T| serde_json::to_string_pretty(value).unwrap_or_default();
        fail(&format!("{what}: expected\n{}\nbut found\n{}", text(expected), text(found)))
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        text = format!("{text}: {error}");
        next = error.source();
    }
    text
}

#[track_caller]
fn ok<T, E: Display>(result: Result<T, E>, what: &str) -> T {
    match result {
        Ok(value) => value,
        Err(error) => fail(&format!("{what}: {error}")),
    }
}

#[track_caller]
#[allow(clippy::panic, reason = "tests fail by panicking")]
fn fail(what: &str) -> ! {
    panic!("{what}")
}
