//! `#[event(…)]` on a field.

use proc_macro2::Span;
use syn::{Attribute, Error, LitStr};

use super::{Place, misplaced};
use crate::attr::{each_item, flag, once, string};
use crate::errors::Errors;

/// What an event does with the unique key that a field holds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum ClaimKind {
    Claim,
    Release,
}

impl ClaimKind {
    /// The list that the key goes to.
    pub const fn list(self) -> &'static str {
        match self {
            Self::Claim => "taken",
            Self::Release => "released",
        }
    }
}

/// `claim = "email"` or `release = "email"`.
pub struct ClaimAttr {
    pub kind: ClaimKind,
    pub scope: LitStr,
}

/// What a field is to the event.
#[derive(Default)]
pub struct FieldAttr {
    pub claim: Option<ClaimAttr>,
    pub tag: Option<LitStr>,
    /// Given when it names the person whose data the event holds.
    pub subject: Option<()>,
    /// Given, and where, when it is data of that person.
    pub personal: Option<Span>,
}

impl FieldAttr {
    pub fn parse(attrs: &[Attribute], errors: &mut Errors) -> Self {
        let mut this = Self::default();
        each_item(attrs, "event", Place::Field.example(), errors, |key, input, _| {
            let (kind, example) = match key.to_string().as_str() {
                "claim" => (ClaimKind::Claim, "claim = \"email\""),
                "release" => (ClaimKind::Release, "release = \"email\""),
                "tag" => return once(&mut this.tag, key, string(key, input, "tag = \"course\"")?),
                "subject" => return once(&mut this.subject, key, flag(key, input)?),
                "personal" => return once(&mut this.personal, key, flag(key, input).map(|()| key.span())?),
                _ => return Err(misplaced(key, Place::Field)),
            };
            let claim = ClaimAttr { kind, scope: string(key, input, example)? };
            if this.claim.as_ref().is_some_and(|other| other.kind != kind) {
                return Err(Error::new(
                    key.span(),
                    "a field is claimed or released, not both: an event that keeps a key says nothing about it",
                ));
            }
            once(&mut this.claim, key, claim)
        });
        this
    }

    pub const fn is_marked(&self) -> bool {
        self.claim.is_some() || self.tag.is_some() || self.subject.is_some() || self.personal.is_some()
    }
}
