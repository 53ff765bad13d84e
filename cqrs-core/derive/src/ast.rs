//! What a derive reads from its input: the parts of the type that matter, with their attributes.

use syn::{Attribute, Data, DeriveInput, Fields, Ident, Member, Path, Type, parse_quote_spanned};

use crate::attr::aggregate::AggregateAttr;
use crate::attr::event::{EventAttr, FieldAttr, Place, parse_event_set};
use crate::attr::serde;
use crate::errors::Errors;
use crate::expand::span;

/// The input of `#[derive(DomainEvent)]`.
pub struct Events<'a> {
    pub item: &'a DeriveInput,
    pub is_enum: bool,
    /// The container's attribute. That of a struct is at its only event too.
    pub attr: EventAttr,
    /// The variants, or the struct itself, but for those that nest events.
    pub kinds: Vec<Kind<'a>>,
    pub nested: Vec<Nested<'a>>,
}

/// One kind of event.
pub struct Kind<'a> {
    /// Its place among the variants, from 0.
    pub index: u32,
    pub ident: &'a Ident,
    pub attrs: &'a [Attribute],
    pub fields: &'a Fields,
    pub attr: EventAttr,
    /// The fields that are something to the event.
    pub marked: Vec<Marked<'a>>,
}

/// A variant that holds events of another type.
pub struct Nested<'a> {
    pub ident: &'a Ident,
    pub attrs: &'a [Attribute],
    pub ty: &'a Type,
}

/// A field with an attribute.
pub struct Marked<'a> {
    pub member: Member,
    pub ty: &'a Type,
    pub attr: FieldAttr,
    /// Its name in JSON where it is personal.
    pub personal: Option<String>,
}

/// The input of `#[derive(EventSet)]`.
pub struct Set<'a> {
    pub item: &'a DeriveInput,
    pub krate: Path,
    pub members: Vec<SetMember<'a>>,
}

pub struct SetMember<'a> {
    pub ident: &'a Ident,
    pub ty: &'a Type,
}

/// The input of `#[derive(Aggregate)]`.
pub struct Aggregate<'a> {
    pub item: &'a DeriveInput,
    pub attr: AggregateAttr,
}

/// The default is spanned like the rest of the generated code, so that its errors are shown in one place.
fn core_path(given: Option<&Path>, item: &DeriveInput) -> Path {
    given.cloned().unwrap_or_else(|| parse_quote_spanned!(span(item)=> ::cqrs_core))
}

impl<'a> Events<'a> {
    pub fn parse(item: &'a DeriveInput, errors: &mut Errors) -> Self {
        let place = if matches!(item.data, Data::Enum(_)) { Place::Enum } else { Place::Struct };
        let attr = EventAttr::parse(&item.attrs, place, errors);
        let mut nested = Vec::new();
        let kinds = match &item.data {
            Data::Enum(data) => {
                let mut kinds = Vec::new();
                let all = serde::rename_rule(&item.attrs, "rename_all_fields");
                for (index, variant) in (0..).zip(&data.variants) {
                    let attr = EventAttr::parse(&variant.attrs, Place::Variant, errors);
                    let rule = serde::rename_rule(&variant.attrs, "rename_all").or_else(|| all.clone());
                    let marked = marked(&variant.fields, rule.as_deref(), errors);
                    let syn::Variant { ident, attrs, fields, .. } = variant;
                    if attr.nested.is_some() {
                        nested.extend(Nested::of(variant, &attr, errors));
                    } else {
                        kinds.push(Kind { index, ident, attrs, fields, attr, marked });
                    }
                }
                kinds
            }
            Data::Struct(data) => vec![Kind {
                index: 0,
                ident: &item.ident,
                attrs: &[],
                fields: &data.fields,
                attr: EventAttr {
                    krate: None,
                    domain: None,
                    retired: None,
                    dropped: None,
                    ..EventAttr::parse(&item.attrs, place, &mut Errors::default())
                },
                marked: marked(&data.fields, serde::rename_rule(&item.attrs, "rename_all").as_deref(), errors),
            }],
            Data::Union(data) => {
                errors.on(data.union_token, "an event is an enum or a struct, a union cannot be read back");
                Vec::new()
            }
        };
        Self { item, is_enum: place == Place::Enum, attr, kinds, nested }
    }

    pub fn krate(&self) -> Path {
        core_path(self.attr.krate.as_ref(), self.item)
    }
}

impl<'a> Nested<'a> {
    fn of(variant: &'a syn::Variant, attr: &EventAttr, errors: &mut Errors) -> Option<Self> {
        let syn::Variant { ident, attrs, fields, .. } = variant;
        if let Some(key) = attr.about_one() {
            errors.on(
                ident,
                format_args!("`{ident}` holds events that have names of their own: remove `{key}`, or `nested`"),
            );
        }
        match (fields, fields.iter().next()) {
            (Fields::Unnamed(_), Some(field)) if fields.len() == 1 => Some(Self { ident, attrs, ty: &field.ty }),
            _ => {
                errors.on(ident, format_args!("a variant that nests events holds one type of them and nothing else, as in `{ident}({ident}Event)`"));
                None
            }
        }
    }
}

fn marked<'a>(fields: &'a Fields, rule: Option<&str>, errors: &mut Errors) -> Vec<Marked<'a>> {
    let mut marked = Vec::new();
    for (member, field) in fields.members().zip(fields) {
        let attr = FieldAttr::parse(&field.attrs, errors);
        if !attr.is_marked() {
            continue;
        }
        let mut personal = None;
        if let Some(span) = attr.personal {
            match &field.ident {
                Some(name) if !serde::is_flattened(&field.attrs) => {
                    personal = Some(serde::name_of(name, &field.attrs, rule));
                }
                Some(_) => {
                    errors.at(span, "write its fields out: what is flattened has no name of its own in the payload")
                }
                None => errors.at(
                    span,
                    "personal data needs a name in the payload: use a named field, as in `{ email: String }`",
                ),
            }
        }
        marked.push(Marked { member, ty: &field.ty, attr, personal });
    }
    marked
}

impl<'a> Set<'a> {
    pub fn parse(item: &'a DeriveInput, errors: &mut Errors) -> Self {
        let krate = core_path(parse_event_set(&item.attrs, errors).as_ref(), item);
        let mut members = Vec::new();
        match &item.data {
            Data::Enum(data) => {
                for variant in &data.variants {
                    match (&variant.fields, variant.fields.iter().next()) {
                        (Fields::Unnamed(fields), Some(field)) if fields.unnamed.len() == 1 => {
                            members.push(SetMember { ident: &variant.ident, ty: &field.ty });
                        }
                        _ => errors.on(
                            variant,
                            format_args!("a variant of an event set holds one type of events and nothing else, as in `{0}({0}Event)`", variant.ident),
                        ),
                    }
                }
                if data.variants.is_empty() {
                    errors.on(&item.ident, format_args!("`{0}` has no members: add a variant for each type of events, as in `Account(AccountEvent)`", item.ident));
                }
            }
            Data::Struct(data) => errors.on(data.struct_token, NOT_A_SET),
            Data::Union(data) => errors.on(data.union_token, NOT_A_SET),
        }
        Self { item, krate, members }
    }
}

const NOT_A_SET: &str =
    "an event set is an enum: one variant for each type of events, as in `enum Events { Account(AccountEvent) }`";

impl<'a> Aggregate<'a> {
    pub fn parse(item: &'a DeriveInput, errors: &mut Errors) -> Self {
        let attr = AggregateAttr::parse(&item.attrs, errors);
        if let Data::Union(data) = &item.data {
            errors.on(data.union_token, "an aggregate is a struct or an enum");
        }
        Self { item, attr }
    }

    pub fn krate(&self) -> Path {
        core_path(self.attr.krate.as_ref(), self.item)
    }
}
