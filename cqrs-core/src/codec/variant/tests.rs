use std::error::Error;

use serde::{Deserialize, Serialize};

use super::{decode_variant, encode_variant};
use crate::codec::CodecError;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Event {
    Closed,
    Opened { owner: String },
    Renamed(String),
    Moved(i32, i32),
}

fn reason(error: &CodecError) -> String {
    error.source().map(ToString::to_string).unwrap_or_default()
}

#[test]
fn only_the_content_of_a_variant_is_written() {
    let cases = [
        (Event::Closed, "{}"),
        (Event::Opened { owner: "Ada".to_owned() }, r#"{"owner":"Ada"}"#),
        (Event::Renamed("Ada".to_owned()), r#""Ada""#),
        (Event::Moved(1, -1), "[1,-1]"),
    ];
    for (index, (event, json)) in (0..).zip(cases) {
        let payload = encode_variant(&event).unwrap();
        assert_eq!(payload.as_str(), json);
        assert_eq!(decode_variant::<Event>("e", index, payload.as_bytes()).unwrap(), event);
    }
}

#[test]
fn a_unit_variant_takes_any_json_but_nothing_else() {
    for json in ["{}", "null", r#"{"reason":[1,{"a":null}]}"#, "7", r#""x""#] {
        assert_eq!(decode_variant::<Event>("e", 0, json.as_bytes()).unwrap(), Event::Closed);
    }
    for broken in ["", "{", "nul", "{}}"] {
        assert!(decode_variant::<Event>("e", 0, broken.as_bytes()).is_err(), "{broken:?}");
    }
}

#[test]
fn what_follows_the_payload_is_an_error() {
    let error = decode_variant::<Event>("account.opened.v1", 1, br#"{"owner":"Ada"} x"#).unwrap_err();
    assert_eq!(error.to_string(), "cannot decode account.opened.v1");
    assert_eq!(reason(&error), "trailing characters at line 1 column 17");
}

#[test]
fn an_index_outside_the_enum_is_an_error() {
    let error = decode_variant::<Event>("e", 4, b"{}").unwrap_err();
    assert_eq!(reason(&error), "invalid value: integer `4`, expected variant index 0 <= i < 4");
}

#[test]
fn what_is_no_enum_is_refused() {
    #[derive(Serialize, Deserialize)]
    struct Opened {
        owner: String,
    }
    let error = encode_variant(&Opened { owner: String::new() }).unwrap_err();
    assert!(matches!(error, CodecError::Encode(_)));
    assert_eq!(reason(&error), "expected a variant of an enum of events, found Opened");
    for error in
        [encode_variant(&7_u8), encode_variant(&"x".to_owned()), encode_variant(&Some(1)), encode_variant(&vec![1])]
    {
        assert!(matches!(error, Err(CodecError::Encode(_))));
    }
    assert!(decode_variant::<Opened>("e", 0, br#"{"owner":""}"#).is_err());
}
