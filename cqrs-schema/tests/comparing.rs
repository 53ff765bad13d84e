//! What a reader of one schema cannot read of another.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails is what it is for")]

use cqrs_schema::{Change, Compatibility, compare, differences};
use proptest::prelude::*;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

fn said(writer: &Value, reader: &Value) -> Vec<String> {
    differences(writer, reader).iter().map(ToString::to_string).collect()
}

fn object(fields: &[(&str, Value)], required: &[&str]) -> Value {
    let properties: serde_json::Map<_, _> =
        fields.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone())).collect();
    json!({ "type": "object", "properties": properties, "required": required })
}

fn text() -> Value {
    json!({ "type": "string" })
}

#[test]
fn each_difference_is_named_with_its_place() {
    let int = |format: &str| json!({ "type": "integer", "format": format });
    let cases = [
        (object(&[("a", text())], &["a"]), object(&[("a", text())], &[]), vec![]),
        (
            object(&[("a", text())], &[]),
            object(&[("a", text())], &["a"]),
            vec!["/a is required, and was not always written"],
        ),
        (object(&[], &[]), object(&[("a/b", text())], &["a/b"]), vec!["/a~1b is required, and was not always written"]),
        (object(&[("a", text())], &["a"]), object(&[], &[]), vec!["/a was written, and is not read any more"]),
        (
            object(&[("a", text())], &["a"]),
            json!({ "type": "object", "additionalProperties": false }),
            vec!["/a was written, and is refused as unknown"],
        ),
        (object(&[("a", text())], &["a"]), json!({ "type": "object", "additionalProperties": true }), vec![]),
        (text(), json!(true), vec![]),
        (json!(true), text(), vec!["the payload was anything, and is read as string"]),
        (text(), json!({ "type": ["string", "null"] }), vec![]),
        (json!({ "type": ["string", "null"] }), text(), vec!["the payload was null, and is read as string"]),
        (
            text(),
            json!({ "type": "string", "format": "uuid" }),
            vec!["the payload was string, and is read as string (uuid)"],
        ),
        (json!({ "type": "string", "format": "uuid" }), text(), vec![]),
        (json!({ "enum": ["a"] }), json!({ "enum": ["a", "b"] }), vec![]),
        (
            json!({ "enum": ["a", "b"] }),
            json!({ "enum": ["a"] }),
            vec![r#"the payload was written with "b", which is unknown now"#],
        ),
        (text(), json!({ "enum": ["a"] }), vec![r#"the payload was string, and is read as one of "a""#]),
        (int("int32"), int("int64"), vec![]),
        (int("uint32"), int("int64"), vec![]),
        (int("int64"), int("uint64"), vec!["the payload was integer (int64), and is read as integer (uint64) only"]),
        (int("uint64"), int("int64"), vec!["the payload was integer (uint64), and is read as integer (int64) only"]),
        (int("int32"), json!({ "type": "number", "format": "double" }), vec![]),
        (
            int("int64"),
            json!({ "type": "number", "format": "double" }),
            vec!["the payload was integer (int64), and is read as number (double) only"],
        ),
        (
            json!({ "type": "number", "format": "double" }),
            int("int64"),
            vec!["the payload was number (double), and is read as integer (int64)"],
        ),
        (
            json!({ "type": "array", "items": object(&[("a", text())], &["a"]) }),
            json!({ "type": "array", "items": object(&[("a", int("int32"))], &["a"]) }),
            vec!["/*/a was string, and is read as integer (int32)"],
        ),
        (
            json!({ "type": "array", "items": text() }),
            json!({ "type": "array", "prefixItems": [text()], "minItems": 1, "maxItems": 1 }),
            vec!["the payload was array of 0 to inf, and is read as array of 1 to 1 only"],
        ),
        (
            json!({ "type": "object", "additionalProperties": int("int64") }),
            json!({ "type": "object", "additionalProperties": text() }),
            vec!["/* was integer (int64), and is read as string"],
        ),
        (
            json!({ "anyOf": [object(&[("a", text())], &["a"]), { "type": "null" }] }),
            object(&[("a", text())], &["a"]),
            vec!["the payload was null, and is read as object with a"],
        ),
    ];
    for (writer, reader, expected) in cases {
        assert_eq!(said(&writer, &reader), expected, "{writer} read as {reader}");
    }
}

#[test]
fn schemas_that_hold_themselves_are_compared_to_their_end() {
    let tree = |label: &str| {
        json!({
            "$ref": "#/$defs/Tree",
            "$defs": { "Tree": object(&[("label", json!({ "type": label })), ("children", json!({ "type": "array", "items": { "$ref": "#/$defs/Tree" } }))], &["label", "children"]) },
        })
    };
    assert_eq!(said(&tree("string"), &tree("string")), Vec::<String>::new());
    assert_eq!(
        said(&tree("string"), &tree("boolean")),
        ["/children/*/label was string, and is read as boolean", "/label was string, and is read as boolean"]
    );
    let endless = json!({ "$ref": "#" });
    assert_eq!(said(&endless, &endless), Vec::<String>::new());
}

#[test]
fn compatibility_is_that_of_the_schema_registries() {
    let (one, two) = (object(&[("a", text())], &["a"]), object(&[("a", text()), ("b", text())], &["a"]));
    let required = object(&[("a", text()), ("b", text())], &["a", "b"]);
    for (older, newer, backward, forward) in [
        (&one, &two, true, true),
        (&two, &one, true, true),
        (&one, &required, false, true),
        (&required, &one, true, false),
    ] {
        let comparison = compare(older, newer);
        let demanded = [Compatibility::Backward, Compatibility::Forward, Compatibility::Full, Compatibility::None];
        let satisfied = demanded.map(|demanded| comparison.satisfies(demanded));
        assert_eq!(satisfied, [backward, forward, backward && forward, true], "{older} to {newer}");
    }
    let comparison = compare(&one, &required);
    let breaking: Vec<_> = comparison.breaking(Compatibility::Full).map(|difference| &difference.change).collect();
    assert_eq!(breaking, [&Change::Missing]);
}

/// The judgement and serde must agree: what is said to be readable is read, and what is not, is not, for some document.
mod programs {
    use super::*;

    macro_rules! shape {
        ($name:ident { $($fields:tt)* }) => {
            #[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
            pub struct $name { $($fields)* }
        };
    }

    shape!(Plain { pub a: i64, pub b: String });
    shape!(Optional { pub a: i64, pub b: Option<String> });
    shape!(Defaulted { #[serde(default)] pub a: i64, #[serde(default)] pub b: String });
    shape!(Small { pub a: i16, pub b: String });
    shape!(More { pub a: i64, pub b: String, pub c: Vec<u8> });
    shape!(Texts { pub a: String, pub b: String });
    shape!(Nested { pub a: i64, pub b: String, pub d: Option<Inner> });
    shape!(Strict { pub a: i64, pub b: Choice });

    #[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
    pub struct Inner {
        pub x: u8,
    }

    #[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
    pub enum Choice {
        One,
        Two(u8),
    }
}

struct Program {
    name: &'static str,
    written: Value,
    read: Value,
    reads: fn(&Value) -> bool,
    documents: Vec<Value>,
}

fn program<T: Serialize + DeserializeOwned + JsonSchema>(name: &'static str, documents: Vec<T>) -> Program {
    Program {
        name,
        written: SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<T>().to_value(),
        read: SchemaSettings::draft2020_12().for_deserialize().into_generator().into_root_schema_for::<T>().to_value(),
        reads: |document| serde_json::from_value::<T>(document.clone()).is_ok(),
        documents: documents.iter().map(|document| serde_json::to_value(document).unwrap()).collect(),
    }
}

fn programs() -> Vec<Program> {
    use programs::*;
    let b = || "x".to_owned();
    let far = [i64::MIN, 0, i64::MAX];
    vec![
        program("Plain", far.map(|a| Plain { a, b: b() }).into()),
        program(
            "Optional",
            vec![Optional { a: far[0], b: None }, Optional { a: 0, b: Some(b()) }, Optional { a: far[2], b: None }],
        ),
        program("Defaulted", far.map(|a| Defaulted { a, b: b() }).into()),
        program("Small", [i16::MIN, i16::MAX].map(|a| Small { a, b: b() }).into()),
        program("More", far.map(|a| More { a, b: b(), c: vec![1] }).into()),
        program("Texts", vec![Texts { a: b(), b: b() }]),
        program(
            "Nested",
            vec![Nested { a: far[0], b: b(), d: None }, Nested { a: far[2], b: b(), d: Some(Inner { x: 1 }) }],
        ),
        program("Strict", vec![Strict { a: far[0], b: Choice::One }, Strict { a: far[2], b: Choice::Two(1) }]),
    ]
}

#[test]
fn the_judgement_is_that_of_serde() {
    for writer in programs() {
        for reader in programs() {
            let judged = differences(&writer.written, &reader.read);
            let readable = !judged.iter().any(cqrs_schema::Difference::breaks);
            let read = writer.documents.iter().all(reader.reads);
            assert_eq!(readable, read, "{} read as {}: {judged:?}", writer.name, reader.name);
        }
    }
}

fn any_schema() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(true)),
        Just(json!({})),
        Just(json!({ "type": "string" })),
        Just(json!({ "type": ["integer", "null"], "format": "int64" })),
        Just(json!({ "type": "number" })),
        Just(json!({ "enum": ["a", "b"] })),
        Just(json!({ "$ref": "#" })),
        Just(json!({ "$ref": "#/nowhere" })),
        Just(json!({ "type": 7, "required": "x", "properties": [], "oneOf": {} })),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            proptest::collection::btree_map("[a-c]", inner.clone(), 0..3)
                .prop_map(|properties| json!({ "type": "object", "properties": properties, "required": ["a"] })),
            proptest::collection::vec(inner.clone(), 0..3).prop_map(|all| json!({ "oneOf": all })),
            proptest::collection::vec(inner.clone(), 0..3).prop_map(|all| json!({ "allOf": all })),
            inner.prop_map(|items| json!({ "type": "array", "items": items })),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn no_schema_makes_the_comparison_panic_or_endless(writer in any_schema(), reader in any_schema()) {
        let _ = compare(&writer, &reader);
    }

    #[test]
    fn everything_is_read_as_anything(writer in any_schema()) {
        prop_assert_eq!(differences(&writer, &json!(true)), []);
    }
}
