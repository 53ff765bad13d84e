//! `#[aggregate(…)]`.

use syn::parse::ParseStream;
use syn::{Attribute, Error, Ident, LitStr, Path, Result, Type, parenthesized};

use super::{Number, crate_path, each_item, items, listed, number, once, string, value};
use crate::errors::Errors;

const KEYS: &[&str] = &["stream", "id", "event", "error", "snapshot", "crate"];

#[derive(Default)]
pub struct AggregateAttr {
    pub stream: Option<LitStr>,
    pub id: Option<Type>,
    pub event: Option<Type>,
    pub error: Option<Type>,
    pub snapshot: Option<Snapshot>,
    pub krate: Option<Path>,
    /// Keys that are there, though perhaps with a wrong value: they are not missing.
    seen: Vec<String>,
    unreadable: bool,
}

pub struct Snapshot {
    pub every: Number,
    pub version: u32,
}

impl AggregateAttr {
    pub const EXAMPLE: &str =
        "#[aggregate(stream = \"account\", id = AccountId, event = AccountEvent, error = AccountError)]";

    pub fn parse(attrs: &[Attribute], errors: &mut Errors) -> Self {
        let mut this = Self::default();
        let readable = each_item(attrs, "aggregate", Self::EXAMPLE, errors, |key, input, errors| {
            let name = key.to_string();
            let read = match name.as_str() {
                "stream" => string(key, input, "stream = \"account\"").and_then(|it| once(&mut this.stream, key, it)),
                "id" => value(key, input, "a type", "id = AccountId").and_then(|it| once(&mut this.id, key, it)),
                "event" => {
                    value(key, input, "a type", "event = AccountEvent").and_then(|it| once(&mut this.event, key, it))
                }
                "error" => {
                    value(key, input, "a type", "error = AccountError").and_then(|it| once(&mut this.error, key, it))
                }
                "snapshot" => snapshot(key, input, errors).and_then(|it| match it {
                    Some(it) => once(&mut this.snapshot, key, it),
                    None => Ok(()),
                }),
                "crate" => crate_path(key, input).and_then(|it| once(&mut this.krate, key, it)),
                _ => Err(Error::new(
                    key.span(),
                    format_args!("unknown key `{key}`: `#[aggregate(…)]` takes {}", listed(KEYS)),
                )),
            };
            this.seen.push(name);
            read
        });
        this.unreadable = !readable;
        this
    }

    pub fn missing(&self) -> Vec<&'static str> {
        let required = ["stream", "id", "event", "error"];
        required.into_iter().filter(|key| !self.unreadable && !self.seen.iter().any(|seen| seen == key)).collect()
    }
}

/// `snapshot(every = 100, version = 1)`; nothing when it has errors of its own.
fn snapshot(key: &Ident, input: ParseStream, errors: &mut Errors) -> Result<Option<Snapshot>> {
    const EXAMPLE: &str = "as in `snapshot(every = 100)`";
    if !input.peek(syn::token::Paren) {
        return Err(Error::new(key.span(), format_args!("expected how often a snapshot is taken, {EXAMPLE}")));
    }
    let content;
    parenthesized!(content in input);
    let (mut every, mut version, mut wrong) = (None, None, false);
    items(&content, errors, |input, _| {
        let key: Ident = input.parse()?;
        let read = if key == "every" {
            number(&key, input, "every = 100").and_then(|it| once(&mut every, &key, it))
        } else if key == "version" {
            number(&key, input, "version = 1").and_then(|it| once(&mut version, &key, it))
        } else {
            Err(Error::new(key.span(), format_args!("unknown key `{key}`: `snapshot(…)` takes `every` and `version`")))
        };
        wrong |= read.is_err();
        read
    });
    match every {
        Some(every) => Ok(Some(Snapshot { every, version: version.map_or(1, |version| version.value) })),
        None if wrong => Ok(None),
        None => Err(Error::new(
            key.span(),
            format_args!("`snapshot` lacks `every`, the number of events between two snapshots, {EXAMPLE}"),
        )),
    }
}
