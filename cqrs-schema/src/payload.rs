//! The JSON Schema of what one event type holds, cut out of that of all events.

use cqrs_core::Payload;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;
use serde_json::{Map, Value, json};

/// What is about people, and not about data.
const ANNOTATIONS: [&str; 6] = ["title", "description", "examples", "default", "deprecated", "$schema"];

/// The schemas of a payload: serde writes some fields always that it can also do without.
#[derive(Debug, Clone)]
pub(crate) struct PayloadSchemas {
    pub(crate) written: Value,
    pub(crate) read: Value,
}

/// The schemas of the event type that `event` has, whose payload is `payload`.
///
/// # Errors
/// Why there is none.
pub(crate) fn payload_schemas<E: Serialize + JsonSchema>(
    event: &E,
    payload: &Payload,
) -> Result<PayloadSchemas, String> {
    let value = serde_json::to_value(event).map_err(|error| error.to_string())?;
    let payload: Value = payload.decode().map_err(|error| error.to_string())?;
    let of = |settings: SchemaSettings| {
        let settings = settings.with(|settings| {
            settings.inline_subschemas = true;
            settings.meta_schema = None;
        });
        let whole = settings.into_generator().into_root_schema_for::<E>().to_value();
        content(&whole, &value, &payload).map(cleaned)
    };
    let written = of(SchemaSettings::draft2020_12().for_serialize())?;
    let read = of(SchemaSettings::draft2020_12().for_deserialize())?;
    Ok(PayloadSchemas { written, read })
}

/// The part of `whole` that is about `payload`, which is `value` without its tags: one for each enum around it.
fn content(whole: &Value, value: &Value, payload: &Value) -> Result<Value, String> {
    let (mut schema, mut value) = (whole, value);
    while value != payload {
        let tagged = match value {
            // A variant without fields is recorded as an empty object.
            Value::String(_) => return Ok(json!({ "type": "object" })),
            Value::Object(fields) if fields.len() == 1 => fields.iter().next(),
            _ => None,
        };
        let (tag, content) = tagged.ok_or("its JSON has no tag")?;
        let reference = schema["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
        schema = reference.and_then(|pointer| whole.pointer(pointer)).unwrap_or(schema);
        let variants = schema["oneOf"].as_array().map_or(std::slice::from_ref(schema), Vec::as_slice);
        let found = variants.iter().map(|variant| &variant["properties"][tag]).find(|content| !content.is_null());
        schema = found.ok_or_else(|| format!("its JSON Schema has no variant {tag}"))?;
        value = content;
    }
    let mut found = schema.clone();
    if let (Value::Object(fields), Some(shared)) = (&mut found, whole.get("$defs"))
        && (fields.contains_key("$ref") || fields.values().any(mentions_definitions))
    {
        fields.insert("$defs".to_owned(), shared.clone());
    }
    Ok(found)
}

fn mentions_definitions(schema: &Value) -> bool {
    match schema {
        Value::Object(fields) => fields.iter().any(|(key, value)| key == "$ref" || mentions_definitions(value)),
        Value::Array(items) => items.iter().any(mentions_definitions),
        _ => false,
    }
}

/// Without annotations, each set of texts in one `enum`, all keys in order: what means the same is the same.
pub(crate) fn cleaned(schema: Value) -> Value {
    let Value::Object(fields) = schema else { return schema };
    let mut fields: Vec<_> = fields.into_iter().filter(|(key, _)| !ANNOTATIONS.contains(&key.as_str())).collect();
    fields.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
    let clean = |(key, value): (String, Value)| {
        let value = match (key.as_str(), value) {
            ("properties" | "patternProperties" | "$defs", Value::Object(named)) => {
                let mut named: Vec<_> = named.into_iter().collect();
                named.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
                Value::Object(named.into_iter().map(|(name, schema)| (name, cleaned(schema))).collect())
            }
            ("oneOf" | "anyOf" | "allOf" | "prefixItems", Value::Array(schemas)) => {
                Value::Array(schemas.into_iter().map(cleaned).collect())
            }
            ("required", Value::Array(mut names)) => {
                names.sort_unstable_by(|one, other| one.as_str().cmp(&other.as_str()));
                Value::Array(names)
            }
            ("items" | "additionalProperties" | "unevaluatedProperties" | "contains" | "not", schema) => {
                cleaned(schema)
            }
            (_, value) => value,
        };
        (key, value)
    };
    texts_together(fields.into_iter().map(clean).collect())
}

/// Documented texts of an enum stand apart from the others; comments change nothing.
fn texts_together(mut fields: Map<String, Value>) -> Value {
    if let Some(text) = fields.get("const").filter(|constant| constant.is_string()).cloned() {
        fields.remove("const");
        fields.insert("enum".to_owned(), json!([text]));
    }
    let Some(Value::Array(variants)) = fields.remove("oneOf") else { return Value::Object(fields) };
    let is_text = |variant: &Value| variant["type"] == "string" && variant["enum"].is_array();
    let (texts, mut variants): (Vec<_>, Vec<_>) = variants.into_iter().partition(is_text);
    let texts = texts.iter().filter_map(|variant| variant["enum"].as_array()).flatten();
    let mut texts: Vec<&str> = texts.filter_map(Value::as_str).collect();
    texts.sort_unstable();
    if !texts.is_empty() {
        variants.insert(0, json!({ "enum": texts, "type": "string" }));
    }
    match variants.as_mut_slice() {
        [Value::Object(only)] => fields.append(only),
        _ => {
            fields.insert("oneOf".to_owned(), Value::Array(variants));
        }
    }
    Value::Object(fields)
}
