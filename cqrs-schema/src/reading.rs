//! Whether a reader of one JSON Schema reads what a writer of another wrote. Pure.

mod alternatives;
mod range;

use std::collections::HashSet;

use serde_json::{Map, Value};

use crate::difference::{Change, Difference};
use alternatives::alternatives;

/// What may keep a reader of `reader` from reading everything that a writer of `writer` writes; nothing when it reads all.
///
/// A reader is taken to be a program like those that serde makes: it passes over fields that it does not know, unless its
/// schema forbids them.
#[must_use]
pub fn differences(writer: &Value, reader: &Value) -> Vec<Difference> {
    let mut reading = Reading { writer, reader, within: HashSet::new() };
    let mut found = Vec::new();
    reading.any(writer, reader, "", &mut found);
    found.sort_by(|one, other| one.pointer.cmp(&other.pointer));
    found.dedup();
    found
}

type Fields = Map<String, Value>;

struct Reading<'a> {
    /// The whole documents, in which references are looked up.
    writer: &'a Value,
    reader: &'a Value,
    /// The pairs that are being compared: types that hold themselves.
    within: HashSet<(String, String)>,
}

impl Reading<'_> {
    fn any(&mut self, writer: &Value, reader: &Value, at: &str, found: &mut Vec<Difference>) {
        let pair = (writer.to_string(), reader.to_string());
        if !self.within.insert(pair.clone()) {
            return;
        }
        let (written, read) = (alternatives(writer, self.writer), alternatives(reader, self.reader));
        for written in &written {
            let mut best: Option<Vec<Difference>> = None;
            for read in &read {
                let mut differences = Vec::new();
                self.one(written, read, at, &mut differences);
                let worse = |best: &Vec<Difference>| badness(best) > badness(&differences);
                if best.as_ref().is_none_or(worse) {
                    best = Some(differences);
                }
            }
            match best {
                Some(differences) if read.len() == 1 || badness(&differences).0 == 0 => found.extend(differences),
                // None of several fits; which one was meant is not known.
                _ => found.push(kinds(at, described(written), described_all(&read))),
            }
        }
        self.within.remove(&pair);
    }

    fn one(&mut self, writer: &Fields, reader: &Fields, at: &str, found: &mut Vec<Difference>) {
        if let Some(known) = reader.get("enum").and_then(Value::as_array) {
            let Some(values) = writer.get("enum").and_then(Value::as_array) else {
                return found.push(kinds(at, described(writer), described(reader)));
            };
            let unknown: Vec<Value> = values.iter().filter(|value| !known.contains(value)).cloned().collect();
            if !unknown.is_empty() {
                found.push(Difference { pointer: at.to_owned(), change: Change::Values(unknown) });
            }
            return;
        }
        let (Some(read), written) = (kind(reader), kind(writer)) else {
            return;
        };
        let fits = written == Some(read) || (written, read) == (Some("integer"), "number");
        if !fits || other_format(writer, reader) {
            return found.push(kinds(at, described(writer), described(reader)));
        }
        if let Some((written, read)) = range::narrower(writer, reader) {
            found.push(Difference { pointer: at.to_owned(), change: Change::Narrower { written, read } });
        }
        match read {
            "object" => self.object(writer, reader, at, found),
            "array" => self.array(writer, reader, at, found),
            _ => {}
        }
    }

    fn object(&mut self, writer: &Fields, reader: &Fields, at: &str, found: &mut Vec<Difference>) {
        let always = names(writer);
        let missing = names(reader).into_iter().filter(|name| !always.contains(name));
        found.extend(missing.map(|name| Difference { pointer: below(at, name), change: Change::Missing }));
        let (written, read) = (fields(writer, "properties"), fields(reader, "properties"));
        for (name, schema) in written.into_iter().flatten() {
            match read.and_then(|read| read.get(name)) {
                Some(read) => self.any(schema, read, &below(at, name), found),
                None => self.unnamed(schema, reader, below(at, name), found),
            }
        }
        if let Some(values) = writer.get("additionalProperties").filter(|values| **values != Value::Bool(false)) {
            self.unnamed(values, reader, format!("{at}/*"), found);
        }
    }

    /// A field that the reader does not name.
    fn unnamed(&mut self, schema: &Value, reader: &Fields, at: String, found: &mut Vec<Difference>) {
        match reader.get("additionalProperties") {
            Some(Value::Bool(false)) => found.push(Difference { pointer: at, change: Change::Refused }),
            Some(values) if *values != Value::Bool(true) => self.any(schema, values, &at, found),
            Some(_) => {}
            None => found.push(Difference { pointer: at, change: Change::NotRead }),
        }
    }

    fn array(&mut self, writer: &Fields, reader: &Fields, at: &str, found: &mut Vec<Difference>) {
        let item = |schema: &Fields, index: usize| {
            let place = schema.get("prefixItems").and_then(|items| items.get(index));
            place.or_else(|| schema.get("items")).cloned().unwrap_or(Value::Bool(true))
        };
        let places = |schema: &Fields| schema.get("prefixItems").and_then(Value::as_array).map_or(0, Vec::len);
        let places = places(writer).max(places(reader));
        for index in 0..places {
            self.any(&item(writer, index), &item(reader, index), &below(at, &index.to_string()), found);
        }
        if places == 0 {
            self.any(&item(writer, 0), &item(reader, 0), &format!("{at}/*"), found);
        }
    }
}

/// How many differences break, and how many there are.
fn badness(differences: &[Difference]) -> (usize, usize) {
    (differences.iter().filter(|difference| difference.breaks()).count(), differences.len())
}

fn kind(schema: &Fields) -> Option<&str> {
    schema.get("type").and_then(Value::as_str)
}

/// Texts of which only some can be read: times, ids.
fn other_format(writer: &Fields, reader: &Fields) -> bool {
    kind(reader) == Some("string")
        && ["format", "pattern"].iter().any(|key| reader.get(*key).is_some_and(|rule| writer.get(*key) != Some(rule)))
}

fn names(schema: &Fields) -> Vec<&str> {
    schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}

fn fields<'a>(schema: &'a Fields, key: &str) -> Option<&'a Fields> {
    schema.get(key).and_then(Value::as_object)
}

fn below(at: &str, name: &str) -> String {
    format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"))
}

fn kinds(at: &str, written: String, read: String) -> Difference {
    Difference { pointer: at.to_owned(), change: Change::Kind { written, read } }
}

fn described_all(all: &[Fields]) -> String {
    let mut all: Vec<String> = all.iter().map(described).collect();
    all.dedup();
    all.join(" or ")
}

/// What a document of this schema is, in a few words.
fn described(schema: &Fields) -> String {
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        let values: Vec<String> = values.iter().map(ToString::to_string).collect();
        return format!("one of {}", values.join(", "));
    }
    let Some(kind) = kind(schema) else { return "anything".to_owned() };
    let names = names(schema);
    match schema.get("format").or_else(|| schema.get("pattern")).and_then(Value::as_str) {
        Some(format) => format!("{kind} ({format})"),
        None if kind == "object" && !names.is_empty() => format!("object with {}", names.join(", ")),
        None => kind.to_owned(),
    }
}
