use proc_macro2::TokenStream;
use quote::quote_spanned;
use syn::{Data, DeriveInput, Fields, Type, parse_quote};

use super::{bounded, span};
use crate::errors::Errors;

pub fn expand(item: &DeriveInput) -> TokenStream {
    let mut errors = Errors::default();
    let code = inner(item, &mut errors).map(|inner| implement(item, inner));
    match errors.into_result() {
        Ok(()) => code.unwrap_or_default(),
        Err(error) => error.into_compile_error(),
    }
}

/// The type that the id wraps.
fn inner<'a>(item: &'a DeriveInput, errors: &mut Errors) -> Option<&'a Type> {
    let example = format!("as in `struct {}(String);`", item.ident);
    match &item.data {
        Data::Struct(data) => match (&data.fields, data.fields.iter().next()) {
            (Fields::Unnamed(fields), Some(field)) if fields.unnamed.len() == 1 => return Some(&field.ty),
            _ => errors.on(
                &item.ident,
                format_args!("an id wraps one value without a name, {example}. For an id of several values write `Display`, which names the stream, by hand"),
            ),
        },
        Data::Enum(data) => errors.on(data.enum_token, format_args!("an id wraps one value, {example}")),
        Data::Union(data) => errors.on(data.union_token, format_args!("an id wraps one value, {example}")),
    }
    None
}

fn implement(item: &DeriveInput, inner: &Type) -> TokenStream {
    let ident = &item.ident;
    let at = span(item);
    let krate = quote_spanned!(at=> ::cqrs_core);
    let value = parse_quote!(#inner: #krate::__private::IdValue);
    let (params, args, plain) = item.generics.split_for_impl();
    let bounded = bounded(item, [value]);
    let (_, _, bounds) = bounded.split_for_impl();
    quote_spanned! {at=>
        #[automatically_derived]
        impl #params ::core::fmt::Display for #ident #args #bounds {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                #krate::__private::IdValue::display(&self.0, f)
            }
        }

        #[automatically_derived]
        impl #params ::core::str::FromStr for #ident #args #bounds {
            type Err = <#inner as #krate::__private::IdValue>::Err;

            fn from_str(text: &str) -> ::core::result::Result<Self, Self::Err> {
                #krate::__private::IdValue::parse(text).map(Self)
            }
        }

        #[automatically_derived]
        impl #params ::core::convert::From<#inner> for #ident #args #plain {
            fn from(inner: #inner) -> Self {
                Self(inner)
            }
        }
    }
}
