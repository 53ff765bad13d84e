//! Projectors over several aggregates whose documents look things up.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use cqrs_core::{CodecError, EventSet, Partitions, Recorded, StoredDocument, key_rule, lookup_key};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::projector::ProjectError;

/// A fold of the events of several aggregates into documents that are joined: a course shows the name of its instructor,
/// follows a rename, and is filled in when the instructor arrives after it.
///
/// What documents are joined with are **lookups**, which the projector folds from events like documents: the instructor with his name and
/// the courses that he gives. They are kept beside the documents, and no reader sees them.
///
/// For each event, in the order of positions:
///
/// 1. the lookups that it changes are folded ([`lookups`](Self::lookups), [`look_up`](Self::look_up));
/// 2. the documents that it touches are named ([`route`](Self::route)): a rename touches the courses that the lookup lists;
/// 3. each of them is folded ([`project`](Self::project)), with the lookups as they are after the event.
///
/// # Contract
/// - **Pure**, **in order** and keys as a [`Projector`](crate::Projector).
/// - A lookup is folded from its own events and nothing else. Its key has 1 to 511 bytes.
/// - The event that makes a lookup list a document touches that document as well (a new course is listed by its instructor).
///   With it, a batch that a crash has torn in a sink that is not atomic is folded again into the same documents.
/// - **Partitions**: documents and lookups that are joined lie in one partition. With one partition, the default, all do. With several,
///   the keys that belong together have the same [part in braces](cqrs_core::partition_key), `{tenant-7}course-3` and
///   `{tenant-7}instructor-1`. A document that is joined with what lies in another partition is refused with an error.
/// - An event that changes what many documents show writes all of them in one batch.
/// - An error of a lookup stops the projection whatever the [`ErrorPolicy`](crate::ErrorPolicy) says about permanent errors, unless
///   it says to try again: without the lookup, all documents that are joined with it would be wrong.
/// - A document that is parked with [dead letters](crate::ErrorDecision::DeadLetter) is joined with the lookups as they are when it is
///   replayed, not as they were at its events: a [rebuild](crate::Running::rebuild) gives it those.
///
/// ```
/// # use cqrs_core::{DomainEvent, EventSet, Recorded};
/// # use serde::{Deserialize, Serialize};
/// use cqrs_projections::{JoinProjector, Lookups, ProjectError};
///
/// #[derive(Serialize, Deserialize, DomainEvent)]
/// #[event(domain = "course")]
/// enum CourseEvent {
///     Created { title: String, instructor: String },
/// }
///
/// #[derive(Serialize, Deserialize, DomainEvent)]
/// #[event(domain = "instructor")]
/// enum InstructorEvent {
///     Named { name: String },
/// }
///
/// #[derive(EventSet)]
/// enum CatalogueEvent {
///     Course(CourseEvent),
///     Instructor(InstructorEvent),
/// }
///
/// #[derive(Clone, Default, Serialize, Deserialize)]
/// struct Instructor {
///     name: Option<String>,
///     courses: Vec<String>,
/// }
///
/// #[derive(Serialize, Deserialize)]
/// struct Course {
///     title: String,
///     instructor: String,
///     instructor_name: Option<String>,
/// }
///
/// struct Catalogue;
///
/// impl JoinProjector for Catalogue {
///     type Event = CatalogueEvent;
///     type Lookup = Instructor;
///     type Document = Course;
///
///     fn lookups(&self, event: &Recorded<CatalogueEvent>, to: &mut Vec<String>) {
///         to.push(match &event.event {
///             CatalogueEvent::Course(CourseEvent::Created { instructor, .. }) => instructor.clone(),
///             CatalogueEvent::Instructor(_) => event.stream.id().to_owned(),
///         });
///     }
///
///     fn look_up(&self, event: &Recorded<CatalogueEvent>, _: &str, lookup: Option<Instructor>)
///         -> Result<Option<Instructor>, ProjectError>
///     {
///         let mut instructor = lookup.unwrap_or_default();
///         match &event.event {
///             CatalogueEvent::Course(_) => instructor.courses.push(event.stream.id().to_owned()),
///             CatalogueEvent::Instructor(InstructorEvent::Named { name }) => instructor.name = Some(name.clone()),
///         }
///         Ok(Some(instructor))
///     }
///
///     fn route(&self, event: &Recorded<CatalogueEvent>, lookups: &Lookups<'_, Instructor>, to: &mut Vec<String>) {
///         match &event.event {
///             CatalogueEvent::Course(_) => to.push(event.stream.id().to_owned()),
///             CatalogueEvent::Instructor(_) => {
///                 let instructor = lookups.get(event.stream.id());
///                 to.extend(instructor.iter().flat_map(|instructor| instructor.courses.iter().cloned()));
///             }
///         }
///     }
///
///     fn project(&self, event: &Recorded<CatalogueEvent>, _: &str, document: Option<Course>, lookups: &Lookups<'_, Instructor>)
///         -> Result<Option<Course>, ProjectError>
///     {
///         let course = match (&event.event, document) {
///             (CatalogueEvent::Course(CourseEvent::Created { title, instructor }), _) => {
///                 Some(Course { title: title.clone(), instructor: instructor.clone(), instructor_name: None })
///             }
///             (_, course) => course,
///         };
///         Ok(course.map(|course| {
///             let instructor_name = lookups.get(&course.instructor).and_then(|instructor| instructor.name.clone());
///             Course { instructor_name, ..course }
///         }))
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a projector of joined documents",
    label = "not a `JoinProjector`",
    note = "implement `cqrs_projections::JoinProjector`; a projector that looks nothing up is a `Projector`, for `Projections::add`"
)]
pub trait JoinProjector: Send + Sync + 'static {
    /// The events that are folded; others are not even read.
    type Event: EventSet;

    /// What documents are joined with. Kept as JSON.
    type Lookup: Clone + Serialize + DeserializeOwned + Send + Sync;

    /// What they are folded into. Kept as JSON.
    type Document: Serialize + DeserializeOwned + Send;

    /// Over how many partitions documents and lookups are spread, as [`Projector::partitions`](crate::Projector::partitions); 1 unless
    /// told.
    fn partitions(&self) -> u16 {
        1
    }

    /// The version of what the functions below make of events, as [`Projector::version`](crate::Projector::version); none
    /// unless told.
    fn version(&self) -> Option<u32> {
        None
    }

    /// Appends the keys of the lookups that the event changes.
    fn lookups(&self, event: &Recorded<Self::Event>, to: &mut Vec<String>);

    /// The lookup after the event, given the lookup before it. Returning `None` removes it.
    ///
    /// # Errors
    /// [`ProjectError`] when the event cannot be folded.
    fn look_up(
        &self,
        event: &Recorded<Self::Event>,
        key: &str,
        lookup: Option<Self::Lookup>,
    ) -> Result<Option<Self::Lookup>, ProjectError>;

    /// Appends the keys of the documents that the event touches, given the lookups after it.
    fn route(&self, event: &Recorded<Self::Event>, lookups: &Lookups<'_, Self::Lookup>, to: &mut Vec<String>);

    /// The document after the event, given the document before it and the lookups after the event. Returning `None`
    /// removes it.
    ///
    /// # Errors
    /// [`ProjectError`] when the event cannot be folded.
    fn project(
        &self,
        event: &Recorded<Self::Event>,
        key: &str,
        document: Option<Self::Document>,
        lookups: &Lookups<'_, Self::Lookup>,
    ) -> Result<Option<Self::Document>, ProjectError>;
}

/// The lookups of a [`JoinProjector`], as they are after the event that is being folded.
///
/// A lookup that is not in memory yet is absent at first: it is loaded, and the events are folded once more.
pub struct Lookups<'a, L> {
    stored: &'a HashMap<String, StoredDocument>,
    partitions: Partitions,
    partition: u16,
    known: RefCell<HashMap<String, Option<Arc<L>>>>,
    asked: RefCell<Asked>,
}

/// What was asked for and cannot be given.
#[derive(Default)]
pub(crate) struct Asked {
    /// Not in memory.
    pub(crate) missing: Vec<String>,
    /// Not what the projector looks up: key and reason of the first.
    pub(crate) broken: Option<(String, CodecError)>,
    /// In another partition: the first.
    pub(crate) elsewhere: Option<String>,
}

impl<'a, L: DeserializeOwned> Lookups<'a, L> {
    pub(crate) fn new(stored: &'a HashMap<String, StoredDocument>, partitions: Partitions, partition: u16) -> Self {
        Self { stored, partitions, partition, known: RefCell::default(), asked: RefCell::default() }
    }

    /// The lookup with this key; `None` when there is none.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Arc<L>> {
        let kept = lookup_key(key);
        if self.partitions.of(&kept) != self.partition {
            self.asked.borrow_mut().elsewhere.get_or_insert_with(|| key.to_owned());
            return None;
        }
        self.find(&kept)
    }

    /// The same by the key under which it is kept.
    fn find(&self, kept: &str) -> Option<Arc<L>> {
        if let Some(known) = self.known.borrow().get(kept) {
            return known.clone();
        }
        let Some(stored) = self.stored.get(kept) else {
            if key_rule(kept).is_none() {
                self.asked.borrow_mut().missing.push(kept.to_owned());
            }
            return None;
        };
        match stored.document.as_ref().map(|json| json.decode::<L>()).transpose() {
            Ok(lookup) => {
                let lookup = lookup.map(Arc::new);
                self.known.borrow_mut().insert(kept.to_owned(), lookup.clone());
                lookup
            }
            Err(error) => {
                self.asked.borrow_mut().broken.get_or_insert_with(|| (kept.to_owned(), error));
                None
            }
        }
    }

    /// Takes a lookup out, by the key under which it is kept, to change it.
    pub(crate) fn take(&self, kept: &str) -> Option<Arc<L>> {
        let lookup = self.find(kept);
        self.known.borrow_mut().remove(kept);
        lookup
    }

    pub(crate) fn put(&self, kept: &str, lookup: Option<Arc<L>>) {
        self.known.borrow_mut().insert(kept.to_owned(), lookup);
    }

    /// What was asked for since the last time and could not be given.
    pub(crate) fn asked(&self) -> Asked {
        self.asked.take()
    }
}

impl<L> fmt::Debug for Lookups<'_, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lookups").field("partition", &self.partition).finish_non_exhaustive()
    }
}
