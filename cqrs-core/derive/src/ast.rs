//! What a derive reads from its input: the parts of the type that matter, with their attributes.

use syn::{Attribute, Data, DeriveInput, Fields, Ident, Member, Path, Type, parse_quote_spanned};

use crate::attr::aggregate::AggregateAttr;
use crate::attr::event::{ClaimAttr, EventAttr, Place, parse_event_set};
use crate::errors::Errors;
use crate::expand::span;

/// The input of `#[derive(DomainEvent)]`.
pub struct Events<'a> {
    pub item: &'a DeriveInput,
    pub is_enum: bool,
    /// The container's attribute. That of a struct is at its only event too.
    pub attr: EventAttr,
    /// The variants, or the struct itself.
    pub kinds: Vec<Kind<'a>>,
}

/// One kind of event.
pub struct Kind<'a> {
    pub ident: &'a Ident,
    pub attrs: &'a [Attribute],
    pub fields: &'a Fields,
    pub attr: EventAttr,
    pub claims: Vec<Claim<'a>>,
}

/// A field that holds a unique key.
pub struct Claim<'a> {
    pub member: Member,
    pub ty: &'a Type,
    pub attr: ClaimAttr,
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
        let kinds = match &item.data {
            Data::Enum(data) => {
                let kind = |variant: &'a syn::Variant| Kind {
                    ident: &variant.ident,
                    attrs: &variant.attrs,
                    fields: &variant.fields,
                    attr: EventAttr::parse(&variant.attrs, Place::Variant, errors),
                    claims: claims(&variant.fields, errors),
                };
                data.variants.iter().map(kind).collect()
            }
            Data::Struct(data) => vec![Kind {
                ident: &item.ident,
                attrs: &[],
                fields: &data.fields,
                attr: EventAttr {
                    krate: None,
                    domain: None,
                    ..EventAttr::parse(&item.attrs, place, &mut Errors::default())
                },
                claims: claims(&data.fields, errors),
            }],
            Data::Union(data) => {
                errors.on(data.union_token, "an event is an enum or a struct, a union cannot be read back");
                Vec::new()
            }
        };
        Self { item, is_enum: place == Place::Enum, attr, kinds }
    }

    pub fn krate(&self) -> Path {
        core_path(self.attr.krate.as_ref(), self.item)
    }
}

fn claims<'a>(fields: &'a Fields, errors: &mut Errors) -> Vec<Claim<'a>> {
    let claim = |(member, field): (Member, &'a syn::Field)| {
        Some(Claim { member, ty: &field.ty, attr: ClaimAttr::parse(&field.attrs, errors)? })
    };
    fields.members().zip(fields).filter_map(claim).collect()
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
