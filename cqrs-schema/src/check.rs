//! A lockfile and a program: whether all that was recorded is still read, whole.

use crate::difference::{Change, Difference};
use crate::lock::{Lock, LockedEvent, Shape};
use crate::payload::cleaned;
use crate::probe::is_read;
use crate::problem::{Problem, Problems};
use crate::reading::differences;
use crate::schemas::{Described, Schemas, Written};

impl Schemas {
    /// Checks that everything that was locked decodes, that no field of it is lost, and that everything that is written is
    /// locked.
    ///
    /// # Errors
    /// [`Problems`], each with what changed and what to do.
    pub fn check(&self, lock: &Lock) -> Result<(), Problems> {
        let problems = self.problems(lock);
        if problems.is_empty() { Ok(()) } else { Err(Problems(problems)) }
    }

    /// The lock with what is new: types, shapes of known types that go well with the recorded ones, samples. Nothing that was
    /// locked is changed or removed.
    ///
    /// # Errors
    /// [`Problems`] that locking does not settle: history that would no longer decode is never locked away.
    pub fn lock(&self, lock: &Lock) -> Result<Lock, Problems> {
        let problems: Vec<_> =
            self.problems(lock).into_iter().filter(|problem| !problem.is_settled_by_locking()).collect();
        if !problems.is_empty() {
            return Err(Problems(problems));
        }
        let mut locked = lock.clone();
        for set in &self.sets {
            for (event_type, Written { schemas, samples }) in &set.written {
                let event = locked.events.entry((*event_type).to_owned()).or_default();
                event.add(Some(schemas.written.clone()), samples);
            }
            for (event_type, samples) in &set.recorded {
                locked.events.entry(event_type.clone()).or_default().add(None, samples);
            }
        }
        Ok(locked)
    }

    /// The event types that are read and of which neither the lock nor this program has a recorded payload: whether they
    /// decode is not known. [`EventSchema::recorded`](crate::EventSchema::recorded) takes one.
    #[must_use]
    pub fn unproven(&self, lock: &Lock) -> Vec<&'static str> {
        let of = |set: &Described| set.event_types.iter().filter(|event_type| !set.has(event_type)).copied().collect();
        let unproven: Vec<_> = self.sets.iter().flat_map(|set| -> Vec<&'static str> { of(set) }).collect();
        unproven.into_iter().filter(|event_type| !lock.events.contains_key(*event_type)).collect()
    }

    fn problems(&self, lock: &Lock) -> Vec<Problem> {
        let mut problems: Vec<Problem> = self.sets.iter().flat_map(|set| set.bad_samples.iter().cloned()).collect();
        for set in &self.sets {
            problems.extend(set.unusable());
            problems.extend(set.not_locked(lock));
        }
        problems.extend(lock.events.iter().filter_map(|(event_type, event)| self.broken(event_type, event)));
        problems.sort_by(|one, other| one.event_type().cmp(other.event_type()));
        problems
    }

    /// Why a locked event type is not read as it was recorded.
    fn broken(&self, event_type: &str, event: &LockedEvent) -> Option<Problem> {
        let Some(set) = self.reader(event_type) else {
            let named = |other: &&str| name(other) == name(event_type);
            let written = self.sets.iter().flat_map(|set| set.written_types).find(|other| named(other));
            let written = written.map(|written| (*written).to_owned());
            return Some(Problem::Unread { event_type: event_type.to_owned(), written });
        };
        let written = self.writer(event_type);
        let mut changed = Vec::new();
        for shape in &event.shapes {
            let found = shape.lost(set, event_type, written);
            for sample in &shape.samples {
                if let Err(error) = set.decode(event_type, sample.as_bytes()) {
                    let (event_type, sample) = (event_type.to_owned(), sample.clone());
                    let reason = reason(&error);
                    return Some(Problem::Undecodable { event_type, sample, reason, differences: found });
                }
            }
            changed.extend(found);
        }
        changed.dedup();
        (!changed.is_empty()).then(|| Problem::Changed { event_type: event_type.to_owned(), differences: changed })
    }
}

impl Described {
    /// Whether there is a payload of this type.
    fn has(&self, event_type: &str) -> bool {
        self.written.contains_key(event_type) || self.recorded.contains_key(event_type)
    }

    /// What is written and has no sample, or one that is not read back as it was written.
    fn unusable(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let described = |event_type: &str| {
            self.written.contains_key(event_type)
                || self.bad_samples.iter().any(|problem| problem.event_type() == event_type)
        };
        for event_type in self.written_types.iter().filter(|event_type| !described(event_type)) {
            problems.push(Problem::NoSample { event_type: (*event_type).to_owned(), events: self.name });
        }
        for (event_type, Written { samples, .. }) in &self.written {
            for sample in samples {
                let reason = match self.decode(event_type, sample.as_bytes()) {
                    Ok(today) => match today.as_slice() {
                        [same] if same.event_type == *event_type && same_json(&same.payload, sample) => continue,
                        _ => format!("{sample} is read back as another event"),
                    },
                    Err(error) => format!("{sample} is not read back: {}", self::reason(&error)),
                };
                problems.push(Problem::BadSample { event_type: (*event_type).to_owned(), reason });
            }
        }
        for (event_type, samples) in &self.recorded {
            for sample in samples {
                if let Err(error) = self.decode(event_type, sample.as_bytes()) {
                    let reason = format!("{sample} does not decode: {}", reason(&error));
                    problems.push(Problem::BadSample { event_type: event_type.clone(), reason });
                }
            }
        }
        problems
    }

    /// What locking would add.
    fn not_locked(&self, lock: &Lock) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (event_type, Written { schemas, samples }) in &self.written {
            let event = lock.events.get(*event_type);
            let grown = grown(event, Some(schemas.written.clone()), samples);
            if grown.as_ref() != event {
                let known = event.and_then(|event| event.shapes.iter().rev().find_map(|shape| shape.schema.as_ref()));
                // A reader of what is locked would pass over it.
                let new = known.map(|known| differences(&schemas.written, known)).unwrap_or_default();
                let new = new.into_iter().filter(|new| new.change == Change::NotRead).map(|new| new.pointer);
                problems.push(Problem::NotLocked { event_type: (*event_type).to_owned(), new: new.collect() });
            }
        }
        for (event_type, samples) in &self.recorded {
            let event = lock.events.get(event_type);
            if grown(event, None, samples).as_ref() != event {
                problems.push(Problem::NotLocked { event_type: event_type.clone(), new: Vec::new() });
            }
        }
        problems
    }
}

fn grown(event: Option<&LockedEvent>, schema: Option<serde_json::Value>, samples: &[String]) -> Option<LockedEvent> {
    let mut grown = event.cloned().unwrap_or_default();
    grown.add(schema, samples);
    Some(grown)
}

impl LockedEvent {
    /// Adds samples to the newest shape when it is the same, else a new shape.
    fn add(&mut self, schema: Option<serde_json::Value>, samples: &[String]) {
        let known: Vec<&String> = self.shapes.iter().flat_map(|shape| &shape.samples).collect();
        let mut new: Vec<String> = Vec::new();
        for sample in samples {
            if !known.iter().copied().chain(&new).any(|known| same_json(known, sample)) {
                new.push(sample.clone());
            }
        }
        match self.shapes.iter_mut().rev().find(|shape| shape.schema == schema) {
            Some(same) => same.samples.extend(new),
            None if schema.is_none() && new.is_empty() => {}
            // Its first sample, even if it is that of an older shape: each shape is checked by samples of its own.
            None if new.is_empty() => {
                self.shapes.push(Shape { schema, samples: samples[..1.min(samples.len())].to_vec() })
            }
            None => self.shapes.push(Shape { schema, samples: new }),
        }
    }
}

impl Shape {
    /// What of it is not read any more under the type that it was recorded under. What upcasters make of older types is
    /// theirs to decide.
    fn lost(&self, set: &Described, event_type: &str, written: Option<&Written>) -> Vec<Difference> {
        let (Some(schema), Some(written)) = (&self.schema, written) else { return Vec::new() };
        let mut found = differences(&cleaned(schema.clone()), &written.schemas.read);
        // A field that is still read has another name; it is the one that the reader seems to miss.
        let still_read = |difference: &Difference| {
            let mut probes = self.samples.iter().map(|sample| is_read(set, event_type, sample, &difference.pointer));
            difference.change == Change::NotRead && probes.any(|read| read == Some(true))
        };
        let (renamed, mut lost): (Vec<_>, Vec<_>) = found.drain(..).partition(still_read);
        for renamed in renamed {
            let missed = |other: &Difference| other.change == Change::Missing && other.field().0 == renamed.field().0;
            if let Some(index) = lost.iter().position(missed) {
                lost.remove(index);
            }
        }
        lost
    }
}

/// A map without order is written otherwise each time.
fn same_json(one: &str, other: &str) -> bool {
    let parsed = |text| serde_json::from_str::<serde_json::Value>(text).ok();
    one == other || parsed(one).is_some_and(|one| parsed(other) == Some(one))
}

fn name(event_type: &str) -> &str {
    event_type.rsplit_once(".v").map_or(event_type, |(name, _)| name)
}

/// What an error says, and what lies below it.
fn reason(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", reason(source)),
        None => error.to_string(),
    }
}
