//! `#[event(…)]` and `#[event_set(…)]`.

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
            Self::Enum => &["domain", "crate"],
            Self::Variant => &["name", "version", "upcast_from", "restarts", "nested"],
            Self::Struct => &["domain", "name", "version", "upcast_from", "restarts", "crate"],
            Self::Field => &["claim", "release"],
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

#[derive(Default)]
pub struct EventAttr {
    pub domain: Option<LitStr>,
    /// Whether the domain is there, though perhaps with a wrong value.
    pub has_domain: bool,
    pub name: Option<LitStr>,
    pub version: Option<Number>,
    pub upcast_from: Option<Vec<UpcastFrom>>,
    /// Given when the state begins anew with this event.
    pub restarts: Option<()>,
    /// Given when the variant holds events of another type.
    pub nested: Option<()>,
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
            (self.version.is_some(), "version"),
            (self.upcast_from.is_some(), "upcast_from"),
            (self.restarts.is_some(), "restarts"),
        ];
        given.into_iter().find_map(|(given, key)| given.then_some(key))
    }
}

/// What an event does with the unique key that a field holds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum ClaimKind {
    Claim,
    Release,
}

/// `#[event(claim = "email")]` or `#[event(release = "email")]`.
pub struct ClaimAttr {
    pub kind: ClaimKind,
    pub scope: LitStr,
}

impl ClaimAttr {
    /// That of a field, where it has one.
    pub fn parse(attrs: &[Attribute], errors: &mut Errors) -> Option<Self> {
        let mut this = None;
        each_item(attrs, "event", Place::Field.example(), errors, |key, input, _| {
            let (kind, example) = match key.to_string().as_str() {
                "claim" => (ClaimKind::Claim, "claim = \"email\""),
                "release" => (ClaimKind::Release, "release = \"email\""),
                _ => return Err(misplaced(key, Place::Field)),
            };
            let attr = Self { kind, scope: string(key, input, example)? };
            if this.as_ref().is_some_and(|other: &Self| other.kind != kind) {
                return Err(Error::new(
                    key.span(),
                    "a field is claimed or released, not both: an event that keeps a key says nothing about it",
                ));
            }
            once(&mut this, key, attr)
        });
        this
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
        ("name" | "version" | "upcast_from" | "restarts" | "nested", Place::Enum) => {
            format!("`{name}` is about one event: move it to the variant that it is meant for")
        }
        ("name" | "version" | "upcast_from" | "domain" | "crate", Place::Field) => {
            format!("`{name}` is about a whole event or type, not about a field, on which `#[event(…)]` takes {known}")
        }
        ("claim" | "release", _) => {
            format!("`{name}` is about one field: move it to the field that holds the key")
        }
        ("domain" | "crate", Place::Variant) => {
            format!("`{name}` is the same for all variants: move it to the enum")
        }
        _ => format!("unknown key `{name}`: on {}, `#[event(…)]` takes {known}", place.words()),
    };
    Error::new(key.span(), message)
}

/// `upcast_from(1 = path, 2 = path)`
fn upcasters(key: &Ident, input: ParseStream, errors: &mut Errors) -> Result<Vec<UpcastFrom>> {
    const EXAMPLE: &str = "as in `upcast_from(1 = opened_v1)`";
    if !input.peek(syn::token::Paren) {
        return Err(Error::new(
            key.span(),
            format_args!("expected older versions and their upcasters in parentheses, {EXAMPLE}"),
        ));
    }
    let content;
    parenthesized!(content in input);
    if content.is_empty() {
        return Err(Error::new(key.span(), format_args!("expected at least one older version, {EXAMPLE}")));
    }
    let mut chain = Vec::new();
    items(&content, errors, |input, _| {
        let found = input.span();
        let literal: LitInt = input
            .parse()
            .map_err(|_| Error::new(found, format_args!("expected the number of an older version, {EXAMPLE}")))?;
        let version = in_range(&literal)?;
        input
            .parse::<Token![=]>()
            .map_err(|error| Error::new(error.span(), format_args!("expected `=` and an upcaster, {EXAMPLE}")))?;
        let found = input.span();
        let path = input
            .parse()
            .map_err(|_| Error::new(found, format_args!("expected the name or path of a function, {EXAMPLE}")))?;
        chain.push(UpcastFrom { version, path });
        Ok(())
    });
    Ok(chain)
}
