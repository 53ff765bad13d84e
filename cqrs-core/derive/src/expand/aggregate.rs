use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::{Data, DeriveInput, Type, WherePredicate, parse_quote};

use super::{bounded, depends_on, span};
use crate::ast::Aggregate;
use crate::attr::aggregate::When;
use crate::check;
use crate::errors::Errors;

pub fn expand(item: &DeriveInput) -> TokenStream {
    let mut errors = Errors::default();
    let aggregate = Aggregate::parse(item, &mut errors);
    check::aggregate(&aggregate, &mut errors);
    let code = implement(&aggregate);
    match errors.into_result() {
        Ok(()) => code,
        Err(error) => {
            let error = error.into_compile_error();
            quote!(#error #code)
        }
    }
}

/// What is missing or wrong becomes something harmless. Only the type of the events has no stand-in: without it there is no
/// implementation, since every `apply` would be told to take another type.
fn implement(aggregate: &Aggregate) -> TokenStream {
    let (item, attr, krate) = (aggregate.item, &aggregate.attr, aggregate.krate());
    let Some(event) = &attr.event else {
        return TokenStream::new();
    };
    if matches!(item.data, Data::Union(_)) || item.generics.lifetimes().next().is_some() {
        return TokenStream::new();
    }
    let id = attr.id.clone().unwrap_or_else(|| parse_quote!(::std::string::String));
    let error = attr.error.clone().unwrap_or_else(|| parse_quote!(::core::fmt::Error));
    let category = attr.stream.as_ref().map_or_else(String::new, syn::LitStr::value);

    let at = span(item);
    let private = quote_spanned!(at=> #krate::__private);
    let policy = quote_spanned!(at=> #private::SnapshotPolicy);
    let age = |seconds: u64| quote_spanned!(at=> ::core::time::Duration::from_secs(#seconds));
    let snapshot = match attr.snapshot.as_ref().map(|snapshot| snapshot.when) {
        None => quote_spanned!(at=> #policy::NEVER),
        Some(When::OnDemand) => quote_spanned!(at=> #policy::ON_DEMAND),
        Some(When::Every(events)) => quote_spanned!(at=> #policy::every(#events)),
        Some(When::OlderThan(seconds)) => {
            let age = age(seconds);
            quote_spanned!(at=> #policy::older_than(#age))
        }
        Some(When::EveryOrOlderThan(events, seconds)) => {
            let age = age(seconds);
            quote_spanned!(at=> #policy::every(#events).or_older_than(#age))
        }
    };
    let state_version = attr.snapshot.as_ref().map_or(1, |snapshot| snapshot.version);
    let generics = bounded(item, bounds(aggregate, &private, [&id, event, &error]));
    let ident = &item.ident;
    let (params, args, bounds) = generics.split_for_impl();
    quote_spanned! {at=>
        #[automatically_derived]
        #[allow(deprecated)]
        impl #params #private::Aggregate for #ident #args #bounds {
            type Id = #id;
            type Event = #event;
            type Error = #error;
            const CATEGORY: &'static str = #category;
            const SNAPSHOT: #policy = #snapshot;
            const STATE_VERSION: ::core::primitive::u32 = #state_version;
        }
    }
}

fn bounds(aggregate: &Aggregate, private: &TokenStream, [id, event, error]: [&Type; 3]) -> Vec<WherePredicate> {
    let shared = quote!(::core::marker::Send + ::core::marker::Sync + 'static);
    let mut bounds = vec![parse_quote!(Self: ::core::default::Default + ::core::clone::Clone + #shared)];
    let mut bound = |ty: &Type, needed: TokenStream| {
        if depends_on(&aggregate.item.generics, ty) {
            bounds.push(parse_quote!(#ty: #needed));
        }
    };
    bound(id, quote!(::core::fmt::Display + ::core::clone::Clone + ::core::cmp::Eq + ::core::hash::Hash + #shared));
    bound(event, quote!(#private::DomainEvent));
    bound(error, quote!(::core::error::Error + #shared));
    bounds
}
