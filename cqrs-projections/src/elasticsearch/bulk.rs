//! Many documents in few requests.

use std::borrow::Cow;

use cqrs_core::{DocumentWrite, Payload, ReadModelError, Target, is_lookup, key_rule};
use futures::{StreamExt, stream};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::error::{Decision, ServerError};
use super::mapping::{LOOKUP, REMOVED, RESERVED};
use super::{ElasticReadModel, Refresh};

/// What a removed document becomes.
pub(super) const TOMBSTONE: &str = r#"{"cqrs_removed":true}"#;

/// How many documents one request holds at most.
const DOCUMENTS: usize = 1000;

/// How many bytes one request holds, unless one document alone has more.
const BYTES: usize = 5 * 1024 * 1024;

/// How many requests of a batch are under way at the same time.
const AT_ONCE: usize = 2;

/// Some documents of a batch as one request.
#[derive(Debug, Default)]
struct Request<'a> {
    keys: Vec<&'a str>,
    body: String,
}

/// What becomes of a batch beside the documents that are written.
#[derive(Debug, Default)]
struct Outcome {
    rejected: Option<ReadModelError>,
    failed: Option<ReadModelError>,
}

impl Outcome {
    fn reject(&mut self, key: &str, reason: impl Into<String>) {
        self.rejected.get_or_insert_with(|| ReadModelError::Rejected { key: key.to_owned(), reason: reason.into() });
    }

    /// Of several failures, one that does not pass counts most.
    fn fail(&mut self, error: ReadModelError) {
        if self.failed.as_ref().is_none_or(ReadModelError::is_transient) {
            self.failed = Some(error);
        }
    }

    fn into_result(self) -> Result<(), ReadModelError> {
        self.failed.or(self.rejected).map_or(Ok(()), Err)
    }
}

impl ElasticReadModel {
    /// Writes all documents that can be written, then tells about those that cannot. Lookups come after all documents: what is
    /// torn by a crash in between is folded again from the lookups as they were.
    pub(super) async fn write_documents(
        &self,
        target: &Target,
        writes: &[DocumentWrite],
    ) -> Result<(), ReadModelError> {
        let (lookups, documents): (Vec<_>, Vec<_>) = writes.iter().partition(|write| is_lookup(&write.key));
        self.write_together(target, documents).await?;
        self.write_together(target, lookups).await
    }

    async fn write_together(&self, target: &Target, writes: Vec<&DocumentWrite>) -> Result<(), ReadModelError> {
        let mut outcome = Outcome::default();
        let requests = requests(&writes, &mut outcome);
        let sent: Vec<_> = requests.into_iter().map(|request| self.send_bulk(target, request)).collect();
        let mut answers = stream::iter(sent).buffer_unordered(AT_ONCE);
        while let Some(answer) = answers.next().await {
            match answer {
                Ok(Outcome { rejected, failed }) => {
                    outcome.rejected = outcome.rejected.or(rejected);
                    if let Some(error) = failed {
                        outcome.fail(error);
                    }
                }
                Err(error) => outcome.fail(error),
            }
        }
        outcome.into_result()
    }

    async fn send_bulk(&self, target: &Target, request: Request<'_>) -> Result<Outcome, ReadModelError> {
        #[derive(Deserialize)]
        struct Items {
            #[serde(default)]
            items: Vec<Item>,
        }
        #[derive(Deserialize)]
        struct Item {
            index: ItemAnswer,
        }
        #[derive(Deserialize)]
        struct ItemAnswer {
            status: u16,
            error: Option<Value>,
        }
        let path = format!("{}/_bulk", self.names.write(&target.projection, target.generation));
        let mut query = vec![("require_alias", "true"), ("filter_path", "items.*.status,items.*.error")];
        match self.refresh {
            Refresh::None => {}
            Refresh::WaitFor => query.push(("refresh", "wait_for")),
            Refresh::Immediate => query.push(("refresh", "true")),
        }
        let mut outcome = Outcome::default();
        let answer = self.client.post_lines(&path, &query, request.body).await?;
        if !answer.is_ok() {
            let refused = answer.error();
            match request.keys[..] {
                [key] if refused.decision() == Decision::Rejected => outcome.reject(key, refused.reason),
                _ => outcome.fail(refused.at(target.generation)),
            }
            return Ok(outcome);
        }
        let items = answer.json::<Items>()?.items;
        if items.len() != request.keys.len() {
            let what = format!("{} answers to {} documents", items.len(), request.keys.len());
            return Err(ReadModelError::Corrupt { what });
        }
        for (item, key) in items.into_iter().zip(&request.keys) {
            let Some(error) = item.index.error else { continue };
            let refused = ServerError::of(&format!("document {key:?}"), item.index.status, &error);
            match refused.decision() {
                // Something at least as new is there.
                Decision::Conflict => {}
                Decision::Rejected => outcome.reject(key, refused.reason),
                _ => outcome.fail(refused.at(target.generation)),
            }
        }
        Ok(outcome)
    }
}

fn requests<'a>(writes: &[&'a DocumentWrite], outcome: &mut Outcome) -> Vec<Request<'a>> {
    let mut requests: Vec<Request<'a>> = Vec::new();
    for write in writes {
        let (action, document) = match lines(write) {
            Ok(lines) => lines,
            Err(reason) => {
                outcome.reject(&write.key, reason);
                continue;
            }
        };
        let full = |request: &Request<'_>| {
            request.keys.len() >= DOCUMENTS || request.body.len() + action.len() + document.len() > BYTES
        };
        if requests.last().is_none_or(full) {
            requests.push(Request::default());
        }
        if let Some(request) = requests.last_mut() {
            request.keys.push(&write.key);
            for line in [&action, &*document] {
                request.body.push_str(line);
                request.body.push('\n');
            }
        }
    }
    requests
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
    use cqrs_core::GlobalPosition;

    use super::*;

    fn write(key: &str, document: Option<&str>) -> DocumentWrite {
        let document = document.map(|json| Payload::from_bytes(json.to_owned()));
        DocumentWrite { key: key.to_owned(), document, position: GlobalPosition::new(7) }
    }

    #[test]
    fn a_document_is_sent_as_it_is_and_a_removal_as_a_tombstone() {
        let writes = [write("a\"b", Some("{ \"x\":\n 1.0 }")), write("c", None)];
        let mut outcome = Outcome::default();
        let requests = requests(&writes.each_ref(), &mut outcome);
        assert!(outcome.into_result().is_ok());
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
        let counts: Vec<_> = requests(&writes.iter().collect::<Vec<_>>(), &mut Outcome::default())
            .iter()
            .map(|one| one.keys.len())
            .collect();
        assert_eq!(counts, [2, 2, 1000, 506]);
    }

    #[test]
    fn what_cannot_be_a_document_is_told_before_it_is_sent() {
        for bad in ["", "{", "[1]", "5", "null", "{\"cqrs_removed\":false}", "{\"cqrs_lookup\":1}"] {
            let mut outcome = Outcome::default();
            assert!(requests(&[&write("k", Some(bad))], &mut outcome).is_empty(), "{bad}");
            assert!(matches!(outcome.into_result(), Err(ReadModelError::Rejected { key, .. }) if key == "k"), "{bad}");
        }
        assert!(lines(&write("", None)).is_err());
        assert!(lines(&write("k", Some("{\"note\":\"cqrs_removed\"}"))).is_ok());
    }
}
