use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::{DeriveInput, parse_quote};

use super::members::{self, Member};
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
    let members: Vec<_> = set.members.iter().map(|member| Member::of(member.ident, member.ty, krate)).collect();
    let apart = members::are_apart(&members, set.item);
    let decode = members::decode(set.members.iter().map(|member| (member.ident, member.ty)), set.item, krate);
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
            #decode
            ::core::result::Result::Err(#private::CodecError::UnknownType(
                ::std::borrow::ToOwned::to_owned(event_type),
            ))
        }
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
