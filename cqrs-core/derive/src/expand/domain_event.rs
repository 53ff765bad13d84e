use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::{DeriveInput, parse_quote};

use super::members::{self, Member};
use super::{bounded, marked, span};
use crate::ast::Events;
use crate::check::{self, Named};
use crate::errors::Errors;
use crate::fingerprint::Fingerprint;

pub fn expand(item: &DeriveInput) -> TokenStream {
    let mut errors = Errors::default();
    let events = Events::parse(item, &mut errors);
    let named = check::events(&events, &mut errors);
    match errors.into_result() {
        Ok(()) => implement(&events, &body(&events, &named)),
        Err(error) => {
            let stub = implement(&events, &stub(&events));
            let error = error.into_compile_error();
            quote!(#error #stub)
        }
    }
}

fn implement(events: &Events, body: &TokenStream) -> TokenStream {
    let (item, krate) = (events.item, events.krate());
    if item.generics.lifetimes().next().is_some() {
        return TokenStream::new();
    }
    let mut bounds = vec![
        parse_quote!(Self: ::core::marker::Send + ::core::marker::Sync + 'static),
        parse_quote!(Self: #krate::__private::Serialize + #krate::__private::DeserializeOwned),
    ];
    bounds.extend(marked::bounds(events));
    let generics = bounded(item, bounds);
    let ident = &item.ident;
    let (params, _, bounds) = generics.split_for_impl();
    let (_, args, _) = item.generics.split_for_impl();
    quote_spanned! {span(item)=>
        #[automatically_derived]
        #[allow(deprecated)]
        impl #params #krate::__private::DomainEvent for #ident #args #bounds {
            #body
        }
    }
}

fn body(events: &Events, named: &[Named]) -> TokenStream {
    let at = span(events.item);
    let krate = events.krate();
    let private = quote_spanned!(at=> #krate::__private);
    let current: Vec<&str> = named.iter().map(|named| named.event_type.as_str()).collect();
    let older = named.iter().flat_map(|named| named.older.iter().map(|(event_type, _)| event_type));
    let retired: Vec<_> = events.attr.retired.iter().flatten().collect();
    let retired_types: Vec<_> = retired.iter().map(|retired| &retired.event_type).collect();
    let retired_paths = retired.iter().map(|retired| &retired.path);
    let dropped: Vec<_> = events.attr.dropped.iter().flatten().collect();
    let fingerprint = fingerprint(events, named);
    let marked = marked::expand(events, named);
    let nested: Vec<_> = events.nested.iter().map(|nested| (nested.ident, nested.ty)).collect();
    let (inner, inner_types): (Vec<_>, Vec<_>) = nested.iter().copied().unzip();

    let (event_type, encode) = if events.is_enum {
        let variants = named.iter().map(|named| named.kind.ident);
        let own = (!named.is_empty()).then(|| quote_spanned!(at=> _ => #private::encode_variant(self),));
        (
            quote_spanned! {at=>
                match self {
                    #(Self::#variants { .. } => #current,)*
                    #(Self::#inner(event) => #private::DomainEvent::event_type(event),)*
                }
            },
            quote_spanned! {at=>
                match self {
                    #(Self::#inner(event) => #private::DomainEvent::encode(event),)*
                    #own
                }
            },
        )
    } else {
        (quote_spanned!(at=> #(#current)*), quote_spanned!(at=> #private::Payload::encode_event(self)))
    };

    let restarting: Vec<_> = named.iter().map(|named| named.kind).filter(|kind| kind.attr.restarts.is_some()).collect();
    let restarts_state = (!restarting.is_empty() || !nested.is_empty()).then(|| {
        let restarts = if events.is_enum {
            let variants = restarting.iter().map(|kind| kind.ident);
            let others = (restarting.len() < named.len()).then(|| quote_spanned!(at=> _ => false,));
            quote_spanned! {at=>
                match self {
                    #(Self::#variants { .. } => true,)*
                    #(Self::#inner(event) => #private::DomainEvent::restarts_state(event),)*
                    #others
                }
            }
        } else {
            quote_spanned!(at=> true)
        };
        quote_spanned! {at=>
            fn restarts_state(&self) -> bool {
                #restarts
            }
        }
    });

    let arms = named.iter().map(|Named { kind, event_type, older }| {
        let index = kind.index;
        let decode = |payload: TokenStream| {
            if events.is_enum {
                quote_spanned!(at=> #private::decode_variant(event_type, #index, #payload)?)
            } else {
                quote_spanned!(at=> #private::Payload::decode_event(event_type, #payload)?)
            }
        };
        let current = decode(quote_spanned!(at=> payload));
        let upcast = decode(quote_spanned!(at=> &#private::upcast(event_type, payload, chain)?));
        let (renamed, older): (Vec<_>, Vec<_>) = older.iter().partition(|(_, chain)| chain.is_empty());
        let renamed = renamed.iter().map(|(event_type, _)| event_type);
        let older = older.iter().map(|(event_type, chain)| {
            quote_spanned! {at=>
                #event_type => {
                    let chain: &[#private::Upcast] = &[#(#chain),*];
                    #upcast
                }
            }
        });
        quote_spanned! {at=>
            #event_type #(| #renamed)* => #current,
            #(#older)*
        }
    });
    let gone_arms = [
        (!retired.is_empty()).then(|| {
            quote_spanned! {at=>
                #(#retired_types)|* => {
                    let retired: &[(&str, #private::Retired)] = &[#((#retired_types, #retired_paths)),*];
                    return #private::decode_retired(event_type, payload, retired, into);
                }
            }
        }),
        (!dropped.is_empty()).then(|| quote_spanned!(at=> #(#dropped)|* => return ::core::result::Result::Ok(()),)),
    ];
    let gone_arms: Vec<_> = gone_arms.iter().flatten().collect();

    let own_types = quote_spanned!(at=> &[#(#current,)* #(#older,)* #(#retired_types,)* #(#dropped,)*]);
    let own_written = quote_spanned!(at=> &[#(#current),*]);
    let (event_types, written_types, fingerprint) = if nested.is_empty() {
        (own_types.clone(), own_written, quote_spanned!(at=> #fingerprint))
    } else {
        let together = |own: &TokenStream, of: &str| {
            let of = format_ident!("{of}", span = at);
            quote_spanned! {at=>
                {
                    const LISTS: &[&[&str]] = &[#own, #(<#inner_types as #private::DomainEvent>::#of,)*];
                    const ALL: [&str; #private::count(LISTS)] = #private::concat(LISTS, "");
                    &ALL
                }
            }
        };
        let event_types = together(&own_types, "EVENT_TYPES");
        let written_types = together(&own_written, "WRITTEN_TYPES");
        let inner = quote_spanned!(at=> &[#(<#inner_types as #private::DomainEvent>::FINGERPRINT,)*]);
        (event_types, written_types, quote_spanned!(at=> #private::fingerprint_of(#fingerprint, #inner)))
    };
    let unknown = quote_spanned! {at=>
        ::core::result::Result::Err(#private::CodecError::UnknownType(::std::borrow::ToOwned::to_owned(event_type)))
    };
    let decode_own = if named.is_empty() && gone_arms.is_empty() {
        unknown
    } else if named.is_empty() {
        quote_spanned! {at=>
            match event_type {
                #(#gone_arms)*
                _ => #unknown,
            }
        }
    } else {
        quote_spanned! {at=>
            let event: Self = match event_type {
                #(#arms)*
                #(#gone_arms)*
                _ => return #unknown,
            };
            into.push(event);
            ::core::result::Result::Ok(())
        }
    };
    let apart = apart(events, own_types);
    let decode_nested = members::decode(nested.into_iter(), events.item, &krate);

    quote_spanned! {at=>
        const EVENT_TYPES: &'static [&'static str] = #event_types;
        const WRITTEN_TYPES: &'static [&'static str] = #written_types;
        const FINGERPRINT: u64 = #fingerprint;

        fn event_type(&self) -> &'static str {
            #event_type
        }

        #restarts_state

        fn encode(&self) -> ::core::result::Result<#private::Payload, #private::CodecError> {
            #encode
        }

        #marked

        fn decode(
            event_type: &str,
            payload: &[u8],
            into: &mut ::std::vec::Vec<Self>,
        ) -> ::core::result::Result<(), #private::CodecError> {
            #apart
            #decode_nested
            #decode_own
        }
    }
}

/// The nested events and those beside them.
fn apart(events: &Events, own_types: TokenStream) -> TokenStream {
    let krate = events.krate();
    if events.nested.is_empty() {
        return TokenStream::new();
    }
    let own = Member { ident: &events.item.ident, event_types: own_types };
    let nested = events.nested.iter().map(|nested| Member::of(nested.ident, nested.ty, &krate));
    let members: Vec<_> = nested.chain((!events.kinds.is_empty()).then_some(own)).collect();
    members::are_apart(&members, events.item)
}

fn fingerprint(events: &Events, named: &[Named]) -> u64 {
    let mut hash = Fingerprint::new();
    let serde = |hash: &mut Fingerprint, attrs: &[syn::Attribute]| {
        for attr in attrs.iter().filter(|attr| attr.path().is_ident("serde")) {
            hash.tokens(&attr.meta);
        }
    };
    serde(&mut hash, &events.item.attrs);
    for Named { kind, event_type, older } in named {
        hash.text(event_type);
        for (event_type, chain) in older {
            hash.text(event_type);
            hash.tokens(quote!(#(#chain),*));
        }
        if kind.attr.restarts.is_some() {
            hash.text("restarts");
        }
        serde(&mut hash, kind.attrs);
        hash.text(match kind.fields {
            syn::Fields::Named(_) => "{}",
            syn::Fields::Unnamed(_) => "()",
            syn::Fields::Unit => "",
        });
        for field in kind.fields {
            hash.tokens(&field.ident);
            hash.tokens(&field.ty);
            serde(&mut hash, &field.attrs);
        }
        // the end of an event, so that a field cannot move to the next one unseen
        hash.text("");
    }
    for retired in events.attr.retired.iter().flatten() {
        hash.text(&retired.event_type.value());
        hash.tokens(&retired.path);
    }
    for dropped in events.attr.dropped.iter().flatten() {
        hash.text(&dropped.value());
    }
    hash.finish()
}

fn stub(events: &Events) -> TokenStream {
    let krate = events.krate();
    let private = quote!(#krate::__private);
    quote_spanned! {span(events.item)=>
        const EVENT_TYPES: &'static [&'static str] = &[];
        const FINGERPRINT: u64 = 0;

        fn event_type(&self) -> &'static str {
            ::core::unreachable!()
        }

        fn encode(&self) -> ::core::result::Result<#private::Payload, #private::CodecError> {
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
