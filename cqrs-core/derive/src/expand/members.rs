//! Variants that hold events of other types: in an event set, and nested in the events of one aggregate.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{DeriveInput, Ident, Path, Type};

use super::span;

/// What understands some event types.
pub struct Member<'a> {
    pub ident: &'a Ident,
    /// A constant list of them.
    pub event_types: TokenStream,
}

impl<'a> Member<'a> {
    pub fn of(ident: &'a Ident, ty: &Type, krate: &Path) -> Self {
        Self { ident, event_types: quote!(<#ty as #krate::__private::DomainEvent>::EVENT_TYPES) }
    }
}

/// Hands an event type to the member that understands it, and returns.
pub fn decode<'a>(
    members: impl Iterator<Item = (&'a Ident, &'a Type)>,
    item: &DeriveInput,
    krate: &Path,
) -> TokenStream {
    let (idents, types): (Vec<_>, Vec<_>) = members.unzip();
    quote_spanned! {span(item)=>
        #(
            if <#types as #krate::__private::DomainEvent>::EVENT_TYPES.contains(&event_type) {
                let mut events = ::std::vec::Vec::with_capacity(1);
                <#types as #krate::__private::DomainEvent>::decode(event_type, payload, &mut events)?;
                into.extend(events.into_iter().map(Self::#idents));
                return ::core::result::Result::Ok(());
            }
        )*
    }
}

/// Refuses at compile time two members that understand the same event type: the second would never receive it.
pub fn are_apart(members: &[Member], item: &DeriveInput) -> TokenStream {
    let generic = !item.generics.params.is_empty();
    let mut pairs = Vec::new();
    for (i, second) in members.iter().enumerate() {
        for first in &members[..i] {
            let (a, b) = (&first.event_types, &second.event_types);
            let message = format!(
                "`{}` and `{}` share an event type, `{1}` would never receive it: give one of them another domain",
                first.ident, second.ident
            );
            let at = second.ident.span().resolved_at(Span::mixed_site());
            let assertion = quote_spanned!(at=> ::core::assert!(apart(#a, #b), #message));
            // a const item is evaluated by `cargo check` too, but cannot name type parameters
            pairs.push(if generic {
                quote_spanned!(at=> const { #assertion })
            } else {
                quote_spanned!(at=> const _: () = #assertion;)
            });
        }
    }
    if pairs.is_empty() {
        return TokenStream::new();
    }
    quote_spanned! {span(item)=>
        const fn apart(a: &[&str], b: &[&str]) -> bool {
            let mut i = 0;
            while i < a.len() * b.len() {
                let (x, y) = (a[i / b.len()].as_bytes(), b[i % b.len()].as_bytes());
                let mut at = 0;
                while x.len() == y.len() && at < x.len() && x[at] == y[at] {
                    at += 1;
                }
                if x.len() == y.len() && at == x.len() {
                    return false;
                }
                i += 1;
            }
            true
        }
        #(#pairs)*
    }
}
