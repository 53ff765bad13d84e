//! Does an index have the fields that are declared?

use serde_json::{Map, Value};

use super::Mapping;
use super::declared::{Known, find};

/// What the server leaves out when it tells a mapping, because it is the default.
const DEFAULTS: [(&str, &str); 6] = [
    ("type", "object"),
    ("analyzer", "standard"),
    ("index", "true"),
    ("doc_values", "true"),
    ("enabled", "true"),
    ("store", "false"),
];

/// The first difference between a declared mapping and an index (the answer to `GET {index}`, below its name).
pub(in super::super) fn check(declared: &Mapping, index: &Value) -> Result<(), String> {
    fields("", &declared.properties, &index["mappings"]["properties"])?;
    // Only what a rebuild alone can change; copies and intervals are the operator's.
    let settings = &index["settings"]["index"];
    for fixed in ["analysis", "number_of_shards"] {
        if let Some(value) = declared.settings.get(fixed) {
            setting(fixed, value, &settings[fixed])?;
        }
    }
    Ok(())
}

fn fields(path: &str, declared: &Map<String, Value>, actual: &Value) -> Result<(), String> {
    for (name, declared) in declared {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        match actual.as_object().map(|actual| find(actual, name)) {
            Some(Known::Declared(actual)) => field(&path, declared, actual.definition)?,
            _ => return Err(format!("the index has no field {path:?}")),
        }
    }
    Ok(())
}

fn field(path: &str, declared: &Value, actual: &Value) -> Result<(), String> {
    for (parameter, expected) in declared.as_object().into_iter().flatten() {
        if let ("properties" | "fields", Value::Object(expected)) = (parameter.as_str(), expected) {
            fields(path, expected, &actual[parameter])?;
            continue;
        }
        same(path, parameter, Some(expected), actual.get(parameter))?;
    }
    // An analyzer that is no longer declared must be gone, too.
    for parameter in ["type", "analyzer", "search_analyzer", "normalizer"] {
        if declared.get(parameter).is_none() {
            same(path, parameter, None, actual.get(parameter))?;
        }
    }
    Ok(())
}

fn same(path: &str, parameter: &str, expected: Option<&Value>, actual: Option<&Value>) -> Result<(), String> {
    let default = DEFAULTS.iter().find(|(name, _)| *name == parameter).map(|(_, value)| (*value).to_owned());
    // The server calls the analyzer that an index has by default so when there is another one for searching.
    let told = |value: &&Value| parameter != "analyzer" || *value != "default";
    let text = |value: Option<&Value>| value.filter(told).map(scalar).or_else(|| default.clone());
    match (text(expected), text(actual)) {
        (expected, actual) if expected == actual => Ok(()),
        // An explicit default of a parameter that is not in the list above.
        (Some(_), None) if !matches!(parameter, "search_analyzer" | "normalizer") => Ok(()),
        (expected, actual) => {
            let told = |value: Option<String>| value.unwrap_or_else(|| "none".to_owned());
            Err(format!("field {path:?} has {parameter} {} instead of {}", told(actual), told(expected)))
        }
    }
}

/// Settings come back as texts, objects as objects.
fn setting(path: &str, declared: &Value, actual: &Value) -> Result<(), String> {
    match (declared, actual) {
        (Value::Object(declared), Value::Object(actual)) => declared.iter().try_for_each(|(name, value)| {
            setting(&format!("{path}.{name}"), value, actual.get(name).unwrap_or(&Value::Null))
        }),
        (Value::Array(declared), Value::Array(actual)) if declared.len() == actual.len() => {
            declared.iter().zip(actual).try_for_each(|(declared, actual)| setting(path, declared, actual))
        }
        _ if scalar(declared) == scalar(actual) => Ok(()),
        _ => Err(format!("setting {path} is {} instead of {}", scalar(actual), scalar(declared))),
    }
}

fn scalar(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Field;
    use super::*;

    fn index(properties: &Value) -> Value {
        json!({ "mappings": { "properties": properties }, "settings": { "index": { "number_of_shards": "3" } } })
    }

    fn declared() -> Mapping {
        Mapping::new()
            .field("title", Field::text().also("raw", Field::keyword()))
            .field("instructor.name", Field::text().analyzer("simple"))
            .field("price", Field::long().with("index", json!(true)))
            .shards(3)
    }

    #[test]
    fn a_mapping_fits_whatever_the_server_adds() {
        let actual = json!({
            "title": { "type": "text", "fields": { "raw": { "type": "keyword", "ignore_above": 256 } } },
            "instructor": { "properties": { "name": { "type": "text", "analyzer": "simple" } } },
            "price": { "type": "long" },
            "more": { "type": "long" },
        });
        assert_eq!(check(&declared(), &index(&actual)), Ok(()));
    }

    #[test]
    fn the_first_difference_is_named() {
        let mut actual = json!({
            "title": { "type": "text", "fields": { "raw": { "type": "keyword" } } },
            "instructor": { "properties": { "name": { "type": "text" } } },
            "price": { "type": "long" },
        });
        let analyzer = "field \"instructor.name\" has analyzer standard instead of simple";
        assert_eq!(check(&declared(), &index(&actual)), Err(analyzer.to_owned()));
        actual["title"]["fields"] = json!({});
        actual["instructor"]["properties"]["name"]["analyzer"] = json!("simple");
        assert_eq!(check(&declared(), &index(&actual)), Err("the index has no field \"title.raw\"".to_owned()));
        actual["title"] = json!({ "type": "text", "analyzer": "simple", "fields": { "raw": { "type": "keyword" } } });
        let analyzer = "field \"title\" has analyzer simple instead of standard";
        assert_eq!(check(&declared(), &index(&actual)), Err(analyzer.to_owned()));
        actual["title"]["analyzer"] = json!("standard");
        let shards = "setting number_of_shards is 3 instead of 2";
        assert_eq!(check(&declared().shards(2), &index(&actual)), Err(shards.to_owned()));
    }
}
