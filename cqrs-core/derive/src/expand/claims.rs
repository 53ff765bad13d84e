//! Which unique keys an event takes and releases: those that its fields hold.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{GenericArgument, Ident, PathArguments, Type, WherePredicate, parse_quote};

use super::{depends_on, span};
use crate::ast::{Claim, Events, Kind};
use crate::attr::event::ClaimKind;

/// What the types of claimed fields must be able to do, where they depend on the type's parameters.
pub fn bounds(events: &Events) -> Vec<WherePredicate> {
    let krate = events.krate();
    let claims = events.kinds.iter().flat_map(|kind| &kind.claims);
    let dependent = claims.map(|claim| optional(claim.ty).unwrap_or(claim.ty));
    dependent
        .filter(|ty| depends_on(&events.item.generics, ty))
        .map(|ty| parse_quote!(#ty: #krate::__private::ClaimValue))
        .collect()
}

/// Nothing when no field holds a key: the trait's own answer is right then.
pub fn expand(events: &Events) -> TokenStream {
    if events.kinds.iter().all(|kind| kind.claims.is_empty()) && events.nested.is_empty() {
        return TokenStream::new();
    }
    let nested = events.nested.iter().map(|nested| nested.ident);
    let at = span(events.item);
    let krate = events.krate();
    let private = quote_spanned!(at=> #krate::__private);
    let arms = events.kinds.iter().map(|kind| {
        let path = path(events, kind);
        let members = kind.claims.iter().map(|claim| &claim.member);
        // the compiler shows the field's type when it cannot be claimed
        let spans = kind.claims.iter().map(|claim| claim.ty.span().resolved_at(Span::mixed_site()));
        let names: Vec<_> = spans.enumerate().map(|(index, span)| format_ident!("key{index}", span = span)).collect();
        let keys = kind.claims.iter().zip(&names).map(|(claim, name)| key(claim, name, &private));
        quote_spanned! {at=>
            #path { #(#members: #names,)* .. } => { #(#keys)* }
        }
    });
    quote_spanned! {at=>
        fn claims(&self) -> ::core::result::Result<#private::Claims, #private::InvalidClaim> {
            let mut claims = #private::Claims::default();
            match self {
                #(#arms)*
                #(Self::#nested(event) => claims = #private::DomainEvent::claims(event)?,)*
            }
            ::core::result::Result::Ok(claims)
        }
    }
}

fn path(events: &Events, kind: &Kind) -> TokenStream {
    let ident = kind.ident;
    if events.is_enum { quote!(Self::#ident) } else { quote!(Self) }
}

fn key(claim: &Claim, name: &Ident, private: &TokenStream) -> TokenStream {
    let scope = &claim.attr.scope;
    let list = match claim.attr.kind {
        ClaimKind::Claim => quote!(taken),
        ClaimKind::Release => quote!(released),
    };
    let at = name.span();
    let push = quote_spanned!(at=> claims.#list.push(#private::ClaimValue::claim_key(#name, #scope)?););
    match optional(claim.ty) {
        None => push,
        Some(_) => quote_spanned!(at=> if let ::core::option::Option::Some(#name) = #name { #push }),
    }
}

/// The type inside an `Option`, as it is written.
fn optional(ty: &Type) -> Option<&Type> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last().filter(|last| last.ident == "Option")?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    match arguments.args.first() {
        Some(GenericArgument::Type(inner)) if arguments.args.len() == 1 => Some(inner),
        _ => None,
    }
}
