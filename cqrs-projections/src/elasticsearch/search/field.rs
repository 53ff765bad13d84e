//! Can a field be used so?

use super::super::mapping::{Kind, Known, Mapping};
use super::error::InvalidSearch;

/// What a field is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    Words,
    Value,
    Range,
    Sort,
    Terms,
    Ranges,
    Histogram,
    Dates,
    Highlight,
}

impl Use {
    const fn takes(self, kind: Kind) -> bool {
        match (self, kind) {
            (_, Kind::Other) => true,
            (_, Kind::Object) => false,
            (Self::Words, kind) => matches!(kind, Kind::Text | Kind::Keyword),
            (Self::Value | Self::Sort | Self::Terms, kind) => !matches!(kind, Kind::Text),
            (Self::Range, kind) => matches!(kind, Kind::Number | Kind::Date | Kind::Keyword),
            (Self::Ranges, kind) => matches!(kind, Kind::Number | Kind::Date),
            (Self::Histogram, kind) => matches!(kind, Kind::Number),
            (Self::Dates, kind) => matches!(kind, Kind::Date),
            (Self::Highlight, _) => true,
        }
    }

    const fn needs_doc_values(self) -> bool {
        matches!(self, Self::Sort | Self::Terms | Self::Ranges | Self::Histogram | Self::Dates)
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Words => "searched for words",
            Self::Value => "compared with a value",
            Self::Range => "compared with a range",
            Self::Sort => "sorted by",
            Self::Terms => "counted by its values",
            Self::Ranges => "counted by ranges",
            Self::Histogram => "counted by intervals of numbers",
            Self::Dates => "counted by intervals of time",
            Self::Highlight => "highlighted",
        }
    }
}

/// What a field is that can be used so; [`Kind::Other`] when it is for the server to say.
pub(super) fn check(mapping: &Mapping, field: &str, used: Use) -> Result<Kind, InvalidSearch> {
    let declared = match mapping.known(field) {
        Known::Declared(declared) => declared,
        Known::Unknown => return Ok(Kind::Other),
        Known::No => return Err(InvalidSearch::UnknownField { field: field.to_owned() }),
    };
    if let Some(within) = declared.nested {
        return Err(InvalidSearch::Nested { field: field.to_owned(), within });
    }
    let kind = declared.kind();
    let refuse = |is| {
        let instead = declared.also().find(|(_, kind)| used.takes(*kind)).map(|(name, _)| format!("{field}.{name}"));
        Err(InvalidSearch::Field { field: field.to_owned(), is, used: used.name(), instead })
    };
    if !used.takes(kind) {
        return refuse(kind.name());
    }
    if used.needs_doc_values() && !declared.has_doc_values() {
        return refuse("without doc values");
    }
    Ok(kind)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::super::mapping::Field;
    use super::*;

    fn mapping() -> Mapping {
        Mapping::new()
            .field("title", Field::text().also("raw", Field::keyword()))
            .field("note", Field::text())
            .field("price", Field::long())
            .field("at", Field::date())
            .field("open", Field::boolean())
            .field("place", Field::raw(json!({ "type": "geo_point" })))
            .field("code", Field::keyword().with("doc_values", json!(false)))
            .field("teacher", Field::object([("name", Field::text())]))
            .field("lessons", Field::nested([("minutes", Field::integer())]))
    }

    fn refused(field: &str, used: Use) -> String {
        check(&mapping(), field, used).unwrap_err().to_string()
    }

    #[test]
    fn a_field_is_used_for_what_its_type_is_for() {
        for (field, uses) in [
            ("title", vec![Use::Words, Use::Highlight]),
            ("title.raw", vec![Use::Words, Use::Value, Use::Range, Use::Sort, Use::Terms, Use::Highlight]),
            ("price", vec![Use::Value, Use::Range, Use::Sort, Use::Terms, Use::Ranges, Use::Histogram, Use::Highlight]),
            ("at", vec![Use::Value, Use::Range, Use::Sort, Use::Terms, Use::Ranges, Use::Dates, Use::Highlight]),
            ("open", vec![Use::Value, Use::Sort, Use::Terms, Use::Highlight]),
            ("code", vec![Use::Words, Use::Value, Use::Range, Use::Highlight]),
            ("teacher", vec![]),
        ] {
            let all = [
                Use::Words,
                Use::Value,
                Use::Range,
                Use::Sort,
                Use::Terms,
                Use::Ranges,
                Use::Histogram,
                Use::Dates,
                Use::Highlight,
            ];
            let can: Vec<_> = all.into_iter().filter(|used| check(&mapping(), field, *used).is_ok()).collect();
            assert_eq!(can, uses, "{field}");
        }
        assert_eq!(check(&mapping(), "place", Use::Range), Ok(Kind::Other));
        assert_eq!(check(&mapping(), "_score", Use::Sort), Ok(Kind::Other));
    }

    #[test]
    fn the_error_says_what_the_field_is_and_what_to_use_instead() {
        assert_eq!(
            refused("title", Use::Sort),
            "the field \"title\" is text, which cannot be sorted by: \"title.raw\" can"
        );
        assert_eq!(refused("note", Use::Terms), "the field \"note\" is text, which cannot be counted by its values");
        assert_eq!(refused("code", Use::Sort), "the field \"code\" is without doc values, which cannot be sorted by");
        assert_eq!(
            refused("teacher", Use::Value),
            "the field \"teacher\" is an object, which cannot be compared with a value"
        );
        let nested = "the field \"lessons.minutes\" lies within the nested field \"lessons\": ask for it by a clause";
        assert_eq!(refused("lessons.minutes", Use::Sort), nested);
        assert_eq!(refused("titel", Use::Words), "the mapping declares no field \"titel\"");
    }
}
