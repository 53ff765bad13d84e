use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{DeriveInput, parse_quote};

use super::{bounded, depends_on, span};
use crate::ast::Set;
use crate::check;
use crate::errors::Errors;

pub fn expand(item: &DeriveInput) -> TokenStream {
    let mut errors = Errors::default();
    let set = Set::parse(item, &mut errors);
    check::set(&set, &mut errors);
    match errors.into_result() {
        Ok(()) => implement(&set, &body(&set)),
        Err(error) => {
            let stub = implement(&set, &stub(&set));
            let error = error.into_compile_error();
            quote!(#error #stub)
        }
    }
}

fn implement(set: &Set, body: &TokenStream) -> TokenStream {
    let (item, krate) = (set.item, &set.krate);
    if item.generics.lifetimes().next().is_some() {
        return TokenStream::new();
    }
    let generics = bounded(
        item,
        [parse_quote!(Self: ::core::marker::Send + ::core::marker::Sync + 'static)].into_iter().chain(
            set.members.iter().filter(|member| depends_on(&item.generics, member.ty)).map(|member| {
                let ty = member.ty;
                parse_quote!(#ty: #krate::__private::DomainEvent)
            }),
        ),
    );
    let ident = &item.ident;
    let (params, args, bounds) = generics.split_for_impl();
    quote_spanned! {span(item)=>
        #[automatically_derived]
        #[allow(deprecated)]
        impl #params #krate::__private::EventSet for #ident #args #bounds {
            #body
        }
    }
}

fn body(set: &Set) -> TokenStream {
    let krate = &set.krate;
    let private = quote!(#krate::__private);
    let types: Vec<_> = set.members.iter().map(|member| member.ty).collect();
    let idents = set.members.iter().map(|member| member.ident);
    let apart = members_are_apart(set);
    quote_spanned! {span(set.item)=>
        fn event_types() -> ::std::vec::Vec<#private::EventType> {
            fn of<E: #private::DomainEvent>() -> ::std::vec::Vec<#private::EventType> {
                <E as #private::EventSet>::event_types()
            }
            let mut types = ::std::vec::Vec::new();
            #(types.extend(of::<#types>());)*
            types
        }

        fn decode(
            event_type: &str,
            payload: &[u8],
            into: &mut ::std::vec::Vec<Self>,
        ) -> ::core::result::Result<(), #private::CodecError> {
            #apart
            #(
                if <#types as #private::DomainEvent>::EVENT_TYPES.contains(&event_type) {
                    let mut events = ::std::vec::Vec::with_capacity(1);
                    <#types as #private::DomainEvent>::decode(event_type, payload, &mut events)?;
                    into.extend(events.into_iter().map(Self::#idents));
                    return ::core::result::Result::Ok(());
                }
            )*
            ::core::result::Result::Err(#private::CodecError::UnknownType(
                ::std::borrow::ToOwned::to_owned(event_type),
            ))
        }
    }
}

/// Refuses at compile time two members that understand the same event type: the second would never receive it.
fn members_are_apart(set: &Set) -> TokenStream {
    let krate = &set.krate;
    let generic = !set.item.generics.params.is_empty();
    let mut pairs = Vec::new();
    for (i, second) in set.members.iter().enumerate() {
        for first in &set.members[..i] {
            let (a, b) = (first.ty, second.ty);
            let message = format!(
                "`{}` and `{}` share an event type, `{1}` would never receive it: give one of them another domain",
                first.ident, second.ident
            );
            let at = second.ident.span().resolved_at(Span::mixed_site());
            let assertion = quote_spanned! {at=>
                ::core::assert!(
                    apart(
                        <#a as #krate::__private::DomainEvent>::EVENT_TYPES,
                        <#b as #krate::__private::DomainEvent>::EVENT_TYPES,
                    ),
                    #message
                )
            };
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
    quote_spanned! {span(set.item)=>
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

fn stub(set: &Set) -> TokenStream {
    let krate = &set.krate;
    let private = quote!(#krate::__private);
    quote_spanned! {span(set.item)=>
        fn event_types() -> ::std::vec::Vec<#private::EventType> {
            ::core::unreachable!()
        }

        fn decode(
            _: &str,
            _: &[u8],
            _: &mut ::std::vec::Vec<Self>,
        ) -> ::core::result::Result<(), #private::CodecError> {
            ::core::unreachable!()
        }
    }
}
