//! `#[event(…)]` and `#[event_set(…)]`.

mod field;

pub use field::FieldAttr;

use syn::parse::ParseStream;
use syn::{Attribute, Error, ExprPath, Ident, LitInt, LitStr, Path, Result, Token, parenthesized};

use super::{Number, crate_path, each_item, flag, in_range, items, listed, number, once, string};
use crate::errors::Errors;

/// What the attribute stands on. It decides which keys make sense.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Enum,
    Variant,
    Struct,
    Field,
}

impl Place {
    const fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Enum => &["domain", "retired", "dropped", "crate"],
            Self::Variant => &["name", "renamed_from", "version", "upcast_from", "restarts", "nested"],
            Self::Struct => {
                &["domain", "name", "renamed_from", "version", "upcast_from", "restarts", "retired", "dropped", "crate"]
            }
            Self::Field => &["claim", "release", "tag", "subject", "personal"],
        }
    }

    const fn example(self) -> &'static str {
        match self {
            Self::Enum | Self::Struct => "#[event(domain = \"account\")]",
            Self::Variant => "#[event(version = 2)]",
            Self::Field => "#[event(claim = \"email\")]",
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Enum => "an enum",
            Self::Variant => "a variant",
            Self::Struct => "a struct",
            Self::Field => "a field",
        }
    }
}

/// One step of a chain of upcasters.
pub struct UpcastFrom {
    pub version: Number,
    pub path: ExprPath,
}

/// A recorded event type that no event is written under any more, and the function that says what its events are today.
pub struct Retired {
    pub event_type: LitStr,
    pub path: ExprPath,
}

#[derive(Default)]
pub struct EventAttr {
    pub domain: Option<LitStr>,
    /// Whether the domain is there, though perhaps with a wrong value.
    pub has_domain: bool,
    pub name: Option<LitStr>,
    /// Names under which the event was recorded before, each `{domain}.{name}`.
    pub renamed_from: Option<Vec<LitStr>>,
    pub version: Option<Number>,
    pub upcast_from: Option<Vec<UpcastFrom>>,
    /// Given when the state begins anew with this event.
    pub restarts: Option<()>,
    /// Given when the variant holds events of another type.
    pub nested: Option<()>,
    pub retired: Option<Vec<Retired>>,
    /// Recorded event types whose events are left out.
    pub dropped: Option<Vec<LitStr>>,
    pub krate: Option<Path>,
}

impl EventAttr {
    pub fn parse(attrs: &[Attribute], place: Place, errors: &mut Errors) -> Self {
        let mut this = Self::default();
        let mut has_domain = false;
        let readable = each_item(attrs, "event", place.example(), errors, |key, input, errors| {
            has_domain |= key == "domain";
            match key.to_string().as_str() {
                known if !place.keys().contains(&known) => Err(misplaced(key, place)),
                "domain" => once(&mut this.domain, key, string(key, input, "domain = \"account\"")?),
                "name" => once(&mut this.name, key, string(key, input, "name = \"opened\"")?),
                "version" => {
                    // a wrong version is newer than all others, lest the upcasters be blamed too
                    let unknown = Number { value: u32::MAX, span: key.span() };
                    let read = number(key, input, "version = 2");
                    let version = read.as_ref().map_or(unknown, |version| *version);
                    once(&mut this.version, key, version).and(read.map(|_| ()))
                }
                "upcast_from" => once(&mut this.upcast_from, key, upcasters(key, input, errors)?),
                "renamed_from" => once(
                    &mut this.renamed_from,
                    key,
                    texts(key, input, errors, "its former names", "renamed_from(\"account.created\")")?,
                ),
                "retired" => once(&mut this.retired, key, retired(key, input, errors)?),
                "dropped" => once(
                    &mut this.dropped,
                    key,
                    texts(key, input, errors, "event types", "dropped(\"account.pinged.v1\")")?,
                ),
                "restarts" => once(&mut this.restarts, key, flag(key, input)?),
                "nested" => once(&mut this.nested, key, flag(key, input)?),
                _ => once(&mut this.krate, key, crate_path(key, input)?),
            }
        });
        this.has_domain = has_domain || !readable;
        this
    }

    /// A key that is given and says something about one kind of event.
    pub fn about_one(&self) -> Option<&'static str> {
        let given = [
            (self.name.is_some(), "name"),
            (self.renamed_from.is_some(), "renamed_from"),
            (self.version.is_some(), "version"),
            (self.upcast_from.is_some(), "upcast_from"),
            (self.restarts.is_some(), "restarts"),
        ];
        given.into_iter().find_map(|(given, key)| given.then_some(key))
    }
}

/// The path that `#[event_set(crate = …)]` gives.
pub fn parse_event_set(attrs: &[Attribute], errors: &mut Errors) -> Option<Path> {
    let mut krate = None;
    each_item(attrs, "event_set", "#[event_set(crate = ::cqrs_core)]", errors, |key, input, _| {
        if key != "crate" {
            return Err(Error::new(
                key.span(),
                format_args!("unknown key `{key}`: `#[event_set(…)]` takes only `crate`"),
            ));
        }
        once(&mut krate, key, crate_path(key, input)?)
    });
    krate
}

fn misplaced(key: &Ident, place: Place) -> Error {
    let (name, known) = (key.to_string(), listed(place.keys()));
    let message = match (name.as_str(), place) {
        ("type", _) => {
            "an event type is not written out: it is made of the `domain`, the name and the `version`, as in `account.opened.v1`".to_owned()
        }
        ("name" | "renamed_from" | "version" | "upcast_from" | "restarts" | "nested", Place::Enum) => {
            format!("`{name}` is about one event: move it to the variant that it is meant for")
        }
        ("renamed_from", Place::Field) => {
            "`renamed_from` is about a whole event: a field that has another name now is read under its old one by `#[serde(alias = \"…\")]`".to_owned()
        }
        ("name" | "version" | "upcast_from" | "retired" | "dropped" | "domain" | "crate", Place::Field) => {
            format!("`{name}` is about a whole event or type, not about a field, on which `#[event(…)]` takes {known}")
        }
        ("claim" | "release", _) => {
            format!("`{name}` is about one field: move it to the field that holds the key")
        }
        ("tag" | "subject" | "personal", _) => format!("`{name}` is about one field: move it there"),
        ("domain" | "crate", Place::Variant) => {
            format!("`{name}` is the same for all variants: move it to the enum")
        }
        ("retired" | "dropped", Place::Variant) => {
            format!("`{name}` is about events that no variant stands for: move it to the enum")
        }
        _ => format!("unknown key `{name}`: on {}, `#[event(…)]` takes {known}", place.words()),
    };
    Error::new(key.span(), message)
}

/// `key(item, item)`
fn list(
    key: &Ident,
    input: ParseStream,
    errors: &mut Errors,
    (all, one, example): (&str, &str, &str),
    item: impl FnMut(ParseStream, &mut Errors) -> Result<()>,
) -> Result<()> {
    if !input.peek(syn::token::Paren) {
        return Err(Error::new(key.span(), format_args!("expected {all} in parentheses, {example}")));
    }
    let content;
    parenthesized!(content in input);
    if content.is_empty() {
        return Err(Error::new(key.span(), format_args!("expected at least one {one}, {example}")));
    }
    items(&content, errors, item);
    Ok(())
}

/// `= path`
fn function(input: ParseStream, what: &str, example: &str) -> Result<ExprPath> {
    input
        .parse::<Token![=]>()
        .map_err(|error| Error::new(error.span(), format_args!("expected `=` and {what}, {example}")))?;
    let found = input.span();
    input.parse().map_err(|_| Error::new(found, format_args!("expected the name or path of a function, {example}")))
}

/// `key("text", "text")`
fn texts(key: &Ident, input: ParseStream, errors: &mut Errors, what: &str, example: &str) -> Result<Vec<LitStr>> {
    let example = format!("as in `{example}`");
    let mut texts = Vec::new();
    list(key, input, errors, (what, "text in quotes", &example), |input, _| {
        let found = input.span();
        texts.push(input.parse().map_err(|_| Error::new(found, format_args!("expected a text in quotes, {example}")))?);
        Ok(())
    })?;
    Ok(texts)
}

/// `retired("account.moved.v1" = path)`
fn retired(key: &Ident, input: ParseStream, errors: &mut Errors) -> Result<Vec<Retired>> {
    const EXAMPLE: &str = "as in `retired(\"account.moved.v1\" = moved_v1)`";
    let mut retired = Vec::new();
    list(key, input, errors, ("event types and their upcasters", "event type", EXAMPLE), |input, _| {
        let found = input.span();
        let event_type = input
            .parse()
            .map_err(|_| Error::new(found, format_args!("expected an event type in quotes, {EXAMPLE}")))?;
        retired.push(Retired { event_type, path: function(input, "an upcaster", EXAMPLE)? });
        Ok(())
    })?;
    Ok(retired)
}

/// `upcast_from(1 = path, 2 = path)`
fn upcasters(key: &Ident, input: ParseStream, errors: &mut Errors) -> Result<Vec<UpcastFrom>> {
    const EXAMPLE: &str = "as in `upcast_from(1 = opened_v1)`";
    let mut chain = Vec::new();
    list(key, input, errors, ("older versions and their upcasters", "older version", EXAMPLE), |input, _| {
        let found = input.span();
        let literal: LitInt = input
            .parse()
            .map_err(|_| Error::new(found, format_args!("expected the number of an older version, {EXAMPLE}")))?;
        let version = in_range(&literal)?;
        chain.push(UpcastFrom { version, path: function(input, "an upcaster", EXAMPLE)? });
        Ok(())
    })?;
    Ok(chain)
}
