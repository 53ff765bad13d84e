//! What a mapping says about a field.

use serde_json::{Map, Value};

use super::{Dynamic, Mapping};

/// What is known about a field.
#[derive(Debug, Clone, PartialEq)]
pub(in super::super) enum Known<'a> {
    /// It is declared.
    Declared(Declared<'a>),
    /// No document has it as a field that can be searched.
    No,
    /// That is for the server to say.
    Unknown,
}

/// A field as it is declared.
#[derive(Debug, Clone, PartialEq)]
pub(in super::super) struct Declared<'a> {
    pub(super) definition: &'a Value,
    /// The nested field that it lies within.
    pub(in super::super) nested: Option<String>,
}

/// What can be done with a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Kind {
    Text,
    Keyword,
    Number,
    Date,
    Boolean,
    /// Fields within a field.
    Object,
    /// Whatever the server makes of it.
    Other,
}

impl Kind {
    pub(in super::super) const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Keyword => "a keyword",
            Self::Number => "a number",
            Self::Date => "a date",
            Self::Boolean => "a boolean",
            Self::Object => "an object",
            Self::Other => "of a type of its own",
        }
    }
}

impl Declared<'_> {
    pub(in super::super) fn kind(&self) -> Kind {
        kind(self.definition)
    }

    /// Whether its values are kept for sorting and counting.
    pub(in super::super) fn has_doc_values(&self) -> bool {
        self.definition["doc_values"] != false
    }

    /// The other ways in which the same value is kept, by name.
    pub(in super::super) fn also(&self) -> impl Iterator<Item = (&str, Kind)> {
        self.definition["fields"].as_object().into_iter().flatten().map(|(name, field)| (name.as_str(), kind(field)))
    }
}

fn kind(definition: &Value) -> Kind {
    match definition["type"].as_str() {
        Some("text" | "match_only_text") if definition["fielddata"] != true => Kind::Text,
        Some("keyword" | "constant_keyword" | "wildcard") => Kind::Keyword,
        Some(
            "long" | "integer" | "short" | "byte" | "double" | "float" | "half_float" | "scaled_float"
            | "unsigned_long",
        ) => Kind::Number,
        Some("date" | "date_nanos") => Kind::Date,
        Some("boolean") => Kind::Boolean,
        Some("object" | "nested") | None => Kind::Object,
        Some(_) => Kind::Other,
    }
}

impl Mapping {
    /// What is known about a field, by name or path.
    pub(in super::super) fn known(&self, field: &str) -> Known<'_> {
        // What the server keeps itself: `_id`, `_score`.
        if field.starts_with('_') {
            return Known::Unknown;
        }
        match find(&self.properties, field) {
            Known::No if self.properties.is_empty() || self.dynamic == Dynamic::Guess => Known::Unknown,
            known => known,
        }
    }
}

/// The field with this name or path. Names may have dots themselves.
pub(super) fn find<'a>(properties: &'a Map<String, Value>, path: &str) -> Known<'a> {
    find_below(properties, path, 0, None)
}

/// The field whose path goes on at `from` with what is declared here.
fn find_below<'a>(properties: &'a Map<String, Value>, path: &str, from: usize, nested: Option<&str>) -> Known<'a> {
    if let Some(definition) = properties.get(&path[from..]) {
        return Known::Declared(Declared { definition, nested: nested.map(str::to_owned) });
    }
    for (dot, _) in path.match_indices('.').filter(|(dot, _)| *dot > from) {
        let Some(field) = properties.get(&path[from..dot]) else { continue };
        let nested = if field["type"] == "nested" { Some(&path[..dot]) } else { nested };
        for below in ["properties", "fields"] {
            let Some(below) = field[below].as_object() else { continue };
            match find_below(below, path, dot + 1, nested) {
                Known::No => {}
                known => return known,
            }
        }
        if takes_any_field(field) {
            return Known::Unknown;
        }
    }
    Known::No
}

fn takes_any_field(field: &Value) -> bool {
    let dynamic = &field["dynamic"];
    field["type"] == "flattened" || *dynamic == true || matches!(dynamic.as_str(), Some("true" | "runtime"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Field;
    use super::*;

    fn mapping() -> Mapping {
        let lesson = [("minutes", Field::integer()), ("parts", Field::nested([("name", Field::text())]))];
        Mapping::new()
            .field("title", Field::text().also("raw", Field::keyword()))
            .field("instructor.name", Field::text())
            .field("teacher", Field::object([("lessons", Field::nested(lesson))]))
            .field("labels", Field::raw(json!({ "type": "flattened" })))
            .field("free", Field::raw(json!({ "type": "object", "dynamic": true })))
            .field("sorted", Field::text().with("fielddata", json!(true)))
    }

    fn kind_of(field: &str) -> Option<Kind> {
        match mapping().known(field) {
            Known::Declared(declared) => Some(declared.kind()),
            _ => None,
        }
    }

    #[test]
    fn fields_are_found_by_path() {
        for (field, kind) in [
            ("title", Kind::Text),
            ("title.raw", Kind::Keyword),
            ("instructor.name", Kind::Text),
            ("teacher", Kind::Object),
            ("teacher.lessons.minutes", Kind::Number),
            ("sorted", Kind::Other),
        ] {
            assert_eq!(kind_of(field), Some(kind), "{field}");
        }
        for missing in ["title.row", "instructor", "teacher.lesson", "lessons.minutes", "titles", "title."] {
            assert_eq!(mapping().known(missing), Known::No, "{missing}");
        }
    }

    #[test]
    fn what_documents_bring_along_is_for_the_server_to_say() {
        for field in ["_id", "labels.colour.dark", "free.any"] {
            assert_eq!(mapping().known(field), Known::Unknown, "{field}");
        }
        assert_eq!(Mapping::new().known("anything"), Known::Unknown);
        assert_eq!(mapping().dynamic(Dynamic::Guess).known("anything"), Known::Unknown);
    }

    #[test]
    fn the_innermost_nested_field_around_a_field_is_known() {
        for (field, nested) in [
            ("title", None),
            ("teacher.lessons", None),
            ("teacher.lessons.minutes", Some("teacher.lessons")),
            ("teacher.lessons.parts.name", Some("teacher.lessons.parts")),
        ] {
            let mapping = mapping();
            let Known::Declared(declared) = mapping.known(field) else { panic!("{field}") };
            assert_eq!(declared.nested.as_deref(), nested, "{field}");
        }
    }
}
