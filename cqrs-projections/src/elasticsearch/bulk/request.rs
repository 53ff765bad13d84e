//! Some documents of a batch as one request.

use std::borrow::Cow;

use cqrs_core::{DocumentWrite, Payload, is_lookup, key_rule};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::super::mapping::{LOOKUP, REMOVED, RESERVED};
use super::{Outcome, TOMBSTONE};

/// How many documents one request holds at most.
const DOCUMENTS: usize = 1000;

/// Some documents of a batch as one request.
#[derive(Debug, Default)]
pub(super) struct Request<'a> {
    pub(super) items: Vec<Item<'a>>,
    pub(super) body: String,
}

/// A document of a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Item<'a> {
    pub(super) key: &'a str,
    /// Where its two lines end in the body.
    end: usize,
}

impl<'a> Request<'a> {
    /// What is to be written, in requests of so many bytes, unless one document alone has more. A document that cannot be
    /// one is rejected.
    pub(super) fn all(writes: &[&'a DocumentWrite], bytes: usize, outcome: &mut Outcome) -> Vec<Self> {
        let mut requests: Vec<Self> = Vec::new();
        for write in writes {
            let (action, document) = match lines(write) {
                Ok(lines) => lines,
                Err(reason) => {
                    outcome.reject(&write.key, reason);
                    continue;
                }
            };
            let full = |request: &Self| {
                request.items.len() >= DOCUMENTS || request.body.len() + action.len() + document.len() > bytes
            };
            if requests.last().is_none_or(full) {
                requests.push(Self::default());
            }
            if let Some(request) = requests.last_mut() {
                request.push(&write.key, &[&action, "\n", &document, "\n"]);
            }
        }
        requests
    }

    fn push(&mut self, key: &'a str, parts: &[&str]) {
        parts.iter().for_each(|part| self.body.push_str(part));
        self.items.push(Item { key, end: self.body.len() });
    }

    /// The same with these documents alone, by their places.
    pub(super) fn only(&self, places: impl IntoIterator<Item = usize>) -> Self {
        let mut request = Self::default();
        for at in places {
            let start = at.checked_sub(1).map_or(0, |before| self.items[before].end);
            request.push(self.items[at].key, &[&self.body[start..self.items[at].end]]);
        }
        request
    }

    /// The first and the second half of the documents.
    pub(super) fn halves(&self) -> [Self; 2] {
        let middle = self.items.len() / 2;
        [self.only(0..middle), self.only(middle..self.items.len())]
    }
}

/// A write as two lines: what to do, and the document.
fn lines(write: &DocumentWrite) -> Result<(String, Cow<'_, str>), String> {
    let key = &write.key;
    if let Some(rule) = key_rule(key) {
        return Err(rule.to_owned());
    }
    let document = match &write.document {
        None => Cow::Borrowed(TOMBSTONE),
        Some(lookup) if is_lookup(key) => Cow::Owned(hidden(lookup)?),
        Some(document) => object_on_one_line(document)?,
    };
    let version = write.position.get();
    let action = json!({ "index": { "_id": key, "version": version, "version_type": "external_gte" } });
    Ok((action.to_string(), document))
}

/// A lookup lies in a tombstone, as text: its fields are its own.
fn hidden(lookup: &Payload) -> Result<String, String> {
    let text = std::str::from_utf8(lookup.as_bytes()).map_err(|error| format!("the lookup is no JSON: {error}"))?;
    Ok(json!({ REMOVED: true, LOOKUP: text }).to_string())
}

fn object_on_one_line(document: &Payload) -> Result<Cow<'_, str>, String> {
    let json: &RawValue =
        serde_json::from_slice(document.as_bytes()).map_err(|error| format!("the document is no JSON: {error}"))?;
    let json = json.get();
    if !json.starts_with('{') {
        return Err("a document of Elasticsearch is a JSON object".to_owned());
    }
    for reserved in RESERVED {
        if json.contains(reserved) && serde_json::from_str::<Value>(json).is_ok_and(|json| json.get(reserved).is_some())
        {
            return Err(format!("the field {reserved} is reserved"));
        }
    }
    // JSON has line breaks between its parts only, never within a text.
    Ok(if json.contains(['\n', '\r']) { Cow::Owned(json.replace(['\n', '\r'], " ")) } else { Cow::Borrowed(json) })
}

#[cfg(test)]
mod tests {
    use cqrs_core::{GlobalPosition, ReadModelError};

    use super::super::BYTES;
    use super::*;

    fn write(key: &str, document: Option<&str>) -> DocumentWrite {
        let document = document.map(|json| Payload::from_bytes(json.to_owned()));
        DocumentWrite { key: key.to_owned(), document, position: GlobalPosition::new(7) }
    }

    fn requests(writes: &[DocumentWrite]) -> Vec<Request<'_>> {
        let mut outcome = Outcome::default();
        let requests = Request::all(&writes.iter().collect::<Vec<_>>(), BYTES, &mut outcome);
        assert!(outcome.into_result().is_ok());
        requests
    }

    #[test]
    fn a_document_is_sent_as_it_is_and_a_removal_as_a_tombstone() {
        let writes = [write("a\"b", Some("{ \"x\":\n 1.0 }")), write("c", None)];
        let requests = requests(&writes);
        let lines: Vec<_> = requests[0].body.split_inclusive('\n').collect();
        let action: Value = serde_json::from_str(lines[0]).unwrap();
        assert_eq!(action, json!({ "index": { "_id": "a\"b", "version": 7, "version_type": "external_gte" } }));
        assert_eq!((lines[1], lines[3], lines.len()), ("{ \"x\":  1.0 }\n", "{\"cqrs_removed\":true}\n", 4));
    }

    #[test]
    fn a_lookup_is_hidden_in_a_tombstone_byte_for_byte() {
        let lookup = write(&cqrs_core::lookup_key("x"), Some("{ \"a\" :\n \"\\\"\" }"));
        let (_, line) = lines(&lookup).unwrap();
        let kept: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(kept, json!({ "cqrs_removed": true, "cqrs_lookup": "{ \"a\" :\n \"\\\"\" }" }));
        assert!(!line.contains('\n'));
    }

    #[test]
    fn a_request_is_bounded_in_documents_and_in_bytes() {
        let large = format!("{{\"x\":\"{}\"}}", "x".repeat(2 * 1024 * 1024));
        let mut writes: Vec<_> = (0..5).map(|n| write(&n.to_string(), Some(&large))).collect();
        writes.extend((5..1510).map(|n| write(&n.to_string(), None)));
        let counts: Vec<_> = requests(&writes).iter().map(|one| one.items.len()).collect();
        assert_eq!(counts, [2, 2, 1000, 506]);
    }

    #[test]
    fn a_part_of_a_request_holds_the_lines_of_its_documents() {
        let writes = ["a", "b", "c"].map(|key| write(key, Some(&format!("{{\"is\":\"{key}\"}}"))));
        let whole = &requests(&writes)[0];
        let keys = |request: &Request<'_>| request.items.iter().map(|item| item.key).collect::<String>();
        let outer = whole.only([0, 2]);
        assert_eq!((keys(&outer), outer.body), ("ac".to_owned(), [0, 2].map(|at| whole.only([at]).body).concat()));
        assert!(whole.only([1]).body.ends_with("\n{\"is\":\"b\"}\n"));
        let halves = whole.halves();
        assert_eq!(
            (halves.each_ref().map(keys), halves.map(|half| half.body).concat()),
            (["a", "bc"].map(str::to_owned), whole.body.clone())
        );
    }

    #[test]
    fn what_cannot_be_a_document_is_told_before_it_is_sent() {
        for bad in ["", "{", "[1]", "5", "null", "{\"cqrs_removed\":false}", "{\"cqrs_lookup\":1}"] {
            let mut outcome = Outcome::default();
            assert!(Request::all(&[&write("k", Some(bad))], BYTES, &mut outcome).is_empty(), "{bad}");
            assert!(matches!(outcome.into_result(), Err(ReadModelError::Rejected { key, .. }) if key == "k"), "{bad}");
        }
        assert!(lines(&write("", None)).is_err());
        assert!(lines(&write("k", Some("{\"note\":\"cqrs_removed\"}"))).is_ok());
    }
}
