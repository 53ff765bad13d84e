//! What a cache holds for a key: a document in the form of the read model, or that there is none.

use cqrs_core::{GlobalPosition, Payload};

use super::source::Loaded;
use crate::redis::document;

const MISSING: &str = r#","missing":true}"#;

/// The stored form of what was loaded.
pub(super) fn encode(loaded: &Loaded) -> Vec<u8> {
    let position = loaded.position.unwrap_or(GlobalPosition::START);
    match &loaded.document {
        Some(document) => document::encode(Some(document), position),
        None => format!(r#"{{"position":{position}{MISSING}"#).into_bytes(),
    }
}

/// The document, or that there is none; nothing for what no cache wrote.
pub(super) fn decode(stored: Vec<u8>) -> Option<Option<Payload>> {
    if is_missing(&stored) {
        return Some(None);
    }
    document::decode(stored, "").ok().map(|stored| stored.document)
}

fn is_missing(stored: &[u8]) -> bool {
    let position = stored.strip_prefix(br#"{"position":"#).and_then(|rest| rest.strip_suffix(MISSING.as_bytes()));
    position.is_some_and(|digits| !digits.is_empty() && digits.iter().all(u8::is_ascii_digit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_and_a_missing_one_come_back_as_they_were() {
        for json in ["{}", r#"{"missing":true}"#, r#"{"a":1,"missing":true}"#, "null"] {
            let document = Some(Payload::from_bytes(json));
            let loaded = Loaded { document: document.clone(), position: Some(GlobalPosition::new(7)) };
            assert_eq!(decode(encode(&loaded)), Some(document), "{json}");
        }
        for position in [None, Some(GlobalPosition::new(7))] {
            assert_eq!(decode(encode(&Loaded { document: None, position })), Some(None));
        }
        for foreign in ["", "{}", r#"{"position":,"missing":true}"#, "7"] {
            assert_eq!(decode(foreign.into()), None, "{foreign}");
        }
    }
}
