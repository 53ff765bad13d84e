//! Where the words were found.

use serde_json::{Map, Value, json};

use super::super::mapping::Mapping;
use super::error::InvalidSearch;
use super::field::Use;
use super::words::check_pattern;

/// How much of one text is looked through, in characters.
const LOOKED_THROUGH: u32 = 1_000_000;

/// Shows the words that were found, within pieces of the text around them.
///
/// Of each field up to three pieces of about 150 characters, the best first. Only the first million characters of a text are
/// looked through.
#[derive(Debug, Clone, PartialEq)]
pub struct Highlight {
    fields: Vec<String>,
    marks: [String; 2],
    html: bool,
    pieces: u32,
    characters: u32,
}

impl Highlight {
    /// As HTML: the words within `<em>` and `</em>`, everything else escaped, so that it can be put into a page.
    pub fn html<F: Into<String>>(fields: impl IntoIterator<Item = F>) -> Self {
        Self { html: true, ..Self::text(fields, "<em>", "</em>") }
    }

    /// As plain text, the words between these marks. Nothing is escaped.
    pub fn text<F: Into<String>>(fields: impl IntoIterator<Item = F>, before: &str, after: &str) -> Self {
        Self {
            fields: fields.into_iter().map(Into::into).collect(),
            marks: [before, after].map(str::to_owned),
            html: false,
            pieces: 3,
            characters: 150,
        }
    }

    /// So many pieces of a field at most (0 is taken as 1), of about so many characters.
    #[must_use]
    pub fn pieces(self, most: u32, characters: u32) -> Self {
        Self { pieces: most.max(1), characters, ..self }
    }

    /// Whole fields instead of pieces.
    #[must_use]
    pub fn whole(self) -> Self {
        Self { pieces: 0, ..self }
    }

    pub(super) fn check(&self, mapping: &Mapping) -> Result<(), InvalidSearch> {
        self.fields.iter().try_for_each(|field| check_pattern(mapping, field, Use::Highlight))
    }

    pub(super) fn body(&self) -> Value {
        let fields: Map<_, _> = self.fields.iter().map(|field| (field.clone(), json!({}))).collect();
        json!({
            "fields": fields,
            "encoder": if self.html { "html" } else { "default" },
            "pre_tags": [self.marks[0]],
            "post_tags": [self.marks[1]],
            "number_of_fragments": self.pieces,
            "fragment_size": self.characters,
            "order": "score",
            // A longer text would otherwise fail the whole search.
            "max_analyzed_offset": LOOKED_THROUGH,
        })
    }
}
