//! What processes write down as they go, so that it survives their end: what a writer attempted and was told, what a
//! reader was given.
//!
//! Each note is a line of JSON in one `write`; the last line of a process that was killed may be torn.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use cqrs_core::{Append, AppendError, Appended, EventId, GlobalPosition, RecordedEvent, Version};
use serde::{Deserialize, Serialize};

/// Where an append stands, as its writer was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The position of its first event.
    pub first_position: GlobalPosition,
    /// The position of its last event.
    pub position: GlobalPosition,
    /// The version of each of its events.
    pub versions: Vec<Version>,
}

impl From<&Appended> for Place {
    fn from(appended: &Appended) -> Self {
        Self {
            first_position: appended.first_position,
            position: appended.position,
            versions: appended.versions.clone(),
        }
    }
}

/// What a writer was told of an append in the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fate {
    /// Nothing, or that it is unknown.
    Open,
    /// It is written.
    Acknowledged(Place),
    /// It is certainly not written.
    Refused,
}

impl Fate {
    /// What an answer to an append says.
    #[must_use]
    pub fn of(answer: &Result<Appended, AppendError>) -> Self {
        match answer {
            Ok(appended) => Self::Acknowledged(appended.into()),
            Err(AppendError::Unknown { .. }) => Self::Open,
            Err(_) => Self::Refused,
        }
    }

    /// What an answer to the question for the outcome says: it is final. An error leaves everything open.
    #[must_use]
    pub fn of_outcome(answer: &Result<Option<Appended>, AppendError>) -> Self {
        match answer {
            Ok(Some(appended)) => Self::Acknowledged(appended.into()),
            Ok(None) => Self::Refused,
            Err(_) => Self::Open,
        }
    }
}

/// An append and its fate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The ids of its events, in order.
    pub ids: Vec<EventId>,
    /// What the writer was told.
    pub fate: Fate,
}

/// The attempts of one writer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Journal {
    pub(crate) attempts: Vec<Attempt>,
}

#[derive(Debug, Serialize, Deserialize)]
enum Note {
    Attempted(usize, Vec<EventId>),
    Told(usize, Fate),
    Seen(Vec<(GlobalPosition, EventId)>, GlobalPosition),
}

impl Journal {
    /// Adds an attempt.
    pub fn push(&mut self, attempt: Attempt) {
        self.attempts.push(attempt);
    }

    /// All attempts.
    pub fn attempts(&self) -> impl Iterator<Item = &Attempt> {
        self.attempts.iter()
    }

    /// Reads what a [`JournalWriter`] wrote.
    ///
    /// # Errors
    /// When the file cannot be read, or a line other than the last is torn.
    pub fn read(path: &Path) -> io::Result<Self> {
        let mut journal = Self::default();
        for note in read_notes(path)? {
            match note {
                // Threads draw numbers and write lines independently of each other.
                Note::Attempted(number, ids) => {
                    if journal.attempts.len() <= number {
                        journal.attempts.resize(number + 1, Attempt { ids: Vec::new(), fate: Fate::Open });
                    }
                    journal.attempts[number].ids = ids;
                }
                Note::Told(number, fate) => journal.attempts[number].fate = fate,
                Note::Seen(..) => {}
            }
        }
        journal.attempts.retain(|attempt| !attempt.ids.is_empty());
        Ok(journal)
    }
}

/// Keeps a [`Journal`] in a file.
#[derive(Debug)]
pub struct JournalWriter {
    file: Mutex<File>,
    attempts: AtomicUsize,
}

impl JournalWriter {
    /// Starts a journal.
    ///
    /// # Errors
    /// When the file cannot be created.
    pub fn create(path: &Path) -> io::Result<Self> {
        Ok(Self { file: Mutex::new(create(path)?), attempts: AtomicUsize::new(0) })
    }

    /// Notes an append before it is attempted; gives its number.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn attempted(&self, append: &Append) -> io::Result<usize> {
        let number = self.attempts.fetch_add(1, Ordering::Relaxed);
        self.write(&Note::Attempted(number, append.event_ids()))?;
        Ok(number)
    }

    /// Notes what the writer was told.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn told(&self, number: usize, fate: Fate) -> io::Result<()> {
        self.write(&Note::Told(number, fate))
    }

    fn write(&self, note: &Note) -> io::Result<()> {
        let mut file = self.file.lock().map_err(|_| io::Error::other("a writer of the journal has panicked"))?;
        write_note(&mut file, note)
    }
}

/// What one reader that started at the beginning was given.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Observation {
    /// The reader.
    pub reader: String,
    /// The events, in the order in which they were given.
    pub seen: Vec<(GlobalPosition, EventId)>,
    /// The reader was told that it had been given everything up to here.
    pub until: GlobalPosition,
}

impl Observation {
    /// Reads what an [`ObservationWriter`] wrote.
    ///
    /// # Errors
    /// When the file cannot be read, or a line other than the last is torn.
    pub fn read(reader: &str, path: &Path) -> io::Result<Self> {
        let mut observation = Self { reader: reader.to_owned(), ..Self::default() };
        for note in read_notes(path)? {
            if let Note::Seen(events, until) = note {
                observation.seen(events, until);
            }
        }
        Ok(observation)
    }

    /// Adds what was given.
    pub fn seen(&mut self, events: impl IntoIterator<Item = (GlobalPosition, EventId)>, until: GlobalPosition) {
        self.seen.extend(events);
        self.until = self.until.max(until);
    }
}

/// Keeps an [`Observation`] in a file.
#[derive(Debug)]
pub struct ObservationWriter(File);

impl ObservationWriter {
    /// Starts an observation.
    ///
    /// # Errors
    /// When the file cannot be created.
    pub fn create(path: &Path) -> io::Result<Self> {
        create(path).map(Self)
    }

    /// Notes what was given.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn seen(&mut self, events: &[RecordedEvent], until: GlobalPosition) -> io::Result<()> {
        let seen = events.iter().map(|event| (event.position, event.id)).collect();
        write_note(&mut self.0, &Note::Seen(seen, until))
    }
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().create_new(true).append(true).open(path)
}

fn write_note(file: &mut File, note: &Note) -> io::Result<()> {
    let mut line = serde_json::to_vec(note)?;
    line.push(b'\n');
    file.write_all(&line)
}

fn read_notes(path: &Path) -> io::Result<Vec<Note>> {
    let text = std::fs::read_to_string(path)?;
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().map(|line| serde_json::from_str(line).map_err(io::Error::from)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use cqrs_core::{EventType, NewEvent, Payload, StreamName};

    #[test]
    fn a_journal_comes_back_without_its_torn_end() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal");
        let writer = JournalWriter::create(&path).unwrap();
        let event = || {
            let stream = StreamName::new("account-1").unwrap();
            NewEvent::raw(stream, EventType::new("a.b.v1").unwrap(), Payload::from_bytes(&b"{}"[..]))
        };
        let appends = [Append::new(vec![event(), event()]), Append::new(vec![event()]), Append::new(vec![event()])];
        let numbers: Vec<_> = appends.iter().map(|append| writer.attempted(append).unwrap()).collect();
        let place = Place {
            first_position: GlobalPosition::new(3),
            position: GlobalPosition::new(4),
            versions: vec![Version::FIRST, Version::FIRST.next()],
        };
        writer.told(numbers[1], Fate::Refused).unwrap();
        writer.told(numbers[0], Fate::Acknowledged(place.clone())).unwrap();
        writer.file.lock().unwrap().write_all(b"{\"Told\":[2,\"Ref").unwrap();
        let journal = Journal::read(&path).unwrap();
        let fates: Vec<_> = journal.attempts().map(|attempt| attempt.fate.clone()).collect();
        assert_eq!(fates, [Fate::Acknowledged(place), Fate::Refused, Fate::Open]);
        assert!(
            journal.attempts().map(|attempt| &attempt.ids).eq(appends
                .iter()
                .map(Append::event_ids)
                .collect::<Vec<_>>()
                .iter())
        );
    }
}
