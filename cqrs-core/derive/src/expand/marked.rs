//! What an event says of itself by the fields that are marked: its tags, whose data it holds, and which of it is personal.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{GenericArgument, Ident, PathArguments, Type, WherePredicate, parse_quote};

use super::{depends_on, span};
use crate::ast::{Events, Kind, Marked};
use crate::check::Named;

/// What the types of marked fields must be able to do, where they depend on the type's parameters.
pub fn bounds(events: &Events) -> Vec<WherePredicate> {
    let krate = events.krate();
    let mut bounds = Vec::new();
    for field in events.kinds.iter().flat_map(|kind| &kind.marked) {
        let (_, ty) = held(field);
        if !depends_on(&events.item.generics, ty) {
            continue;
        }
        if field.attr.claim.is_some() {
            bounds.push(parse_quote!(#ty: #krate::__private::ClaimValue));
        }
        if field.attr.tag.is_some() || field.attr.subject.is_some() {
            bounds.push(parse_quote!(#ty: #krate::__private::TagValue));
        }
    }
    bounds
}

/// Those of the trait's functions whose own answer is not right.
pub fn expand(events: &Events, named: &[Named]) -> TokenStream {
    let private = {
        let krate = events.krate();
        quote_spanned!(span(events.item)=> #krate::__private)
    };
    let texts = |name: &str, marked: fn(&Marked) -> bool, push: &dyn Fn(&Marked, &Ident) -> TokenStream| {
        let arms = arms(events, marked, push)?;
        let name = format_ident!("{name}", span = span(events.item));
        let nested = events.nested.iter().map(|nested| nested.ident);
        Some(quote_spanned! {span(events.item)=>
            fn #name(&self) -> ::std::vec::Vec<::std::string::String> {
                let mut all = ::std::vec::Vec::new();
                match self {
                    #(#arms)*
                    #(Self::#nested(event) => all = #private::DomainEvent::#name(event),)*
                }
                all
            }
        })
    };
    let tags = texts("tags", |field| field.attr.tag.is_some(), &|field, value| {
        let kind = &field.attr.tag;
        quote_spanned!(value.span()=> all.push(#private::TagValue::tag(#value, #kind));)
    });
    let subjects = texts(
        "data_subjects",
        |field| field.attr.subject.is_some(),
        &|_, value| quote_spanned!(value.span()=> all.push(#private::TagValue::name(#value));),
    );
    let (claims, personal) = (claims(events, &private), personal(events, named, &private));
    quote!(#claims #tags #subjects #personal)
}

fn claims(events: &Events, private: &TokenStream) -> Option<TokenStream> {
    let arms = arms(events, |field| field.attr.claim.is_some(), &|field, value| {
        let claim = field.attr.claim.as_ref();
        let (scope, list) =
            (claim.map(|claim| &claim.scope), claim.map(|claim| format_ident!("{}", claim.kind.list())));
        quote_spanned!(value.span()=> claims.#list.push(#private::ClaimValue::claim_key(#value, #scope)?);)
    })?;
    let nested = events.nested.iter().map(|nested| nested.ident);
    Some(quote_spanned! {span(events.item)=>
        fn claims(&self) -> ::core::result::Result<#private::Claims, #private::InvalidClaim> {
            let mut claims = #private::Claims::default();
            match self {
                #(#arms)*
                #(Self::#nested(event) => claims = #private::DomainEvent::claims(event)?,)*
            }
            ::core::result::Result::Ok(claims)
        }
    })
}

/// For each event, what is done with its fields of one mark. `None` when there is nothing to do with any.
fn arms(
    events: &Events,
    marked: fn(&Marked) -> bool,
    push: &dyn Fn(&Marked, &Ident) -> TokenStream,
) -> Option<Vec<TokenStream>> {
    let used = |kind: &Kind| kind.marked.iter().any(marked);
    if !events.kinds.iter().any(used) && events.nested.is_empty() {
        return None;
    }
    let arm = |kind: &Kind| {
        let ident = kind.ident;
        let path = if events.is_enum { quote!(Self::#ident) } else { quote!(Self) };
        let fields: Vec<_> = kind.marked.iter().filter(|field| marked(field)).collect();
        let members = fields.iter().map(|field| &field.member);
        // the compiler shows the field's type when it cannot do what it must
        let spans = fields.iter().map(|field| field.ty.span().resolved_at(Span::mixed_site()));
        let names: Vec<_> = spans.enumerate().map(|(index, span)| format_ident!("field{index}", span = span)).collect();
        let pushes = fields.iter().zip(&names).map(|(field, name)| {
            let push = push(field, name);
            match held(field).0 {
                Held::Itself => push,
                Held::InOption => {
                    quote_spanned!(name.span()=> if let ::core::option::Option::Some(#name) = #name { #push })
                }
                Held::InVec => quote_spanned!(name.span()=> for #name in #name { #push }),
            }
        });
        quote_spanned! {span(events.item)=>
            #path { #(#members: #names,)* .. } => { #(#pushes)* }
        }
    };
    Some(events.kinds.iter().map(arm).collect())
}

fn personal(events: &Events, named: &[Named], private: &TokenStream) -> Option<TokenStream> {
    let own = named.iter().filter_map(|Named { kind, event_type, .. }| {
        let fields: Vec<_> = kind.marked.iter().filter_map(|field| field.personal.as_ref()).collect();
        (!fields.is_empty()).then(|| quote!(#private::PersonalFields::new(#event_type, &[#(#fields),*])))
    });
    let own: Vec<_> = own.collect();
    let nested: Vec<_> = events.nested.iter().map(|nested| nested.ty).collect();
    let all = match (own.is_empty(), nested.is_empty()) {
        (true, true) => return None,
        (_, true) => quote!(&[#(#own),*]),
        (_, false) => quote! {
            {
                const LISTS: &[&[#private::PersonalFields]] =
                    &[&[#(#own),*], #(<#nested as #private::DomainEvent>::PERSONAL_FIELDS,)*];
                const ALL: [#private::PersonalFields; #private::count(LISTS)] =
                    #private::concat(LISTS, #private::PersonalFields::new("", &[]));
                &ALL
            }
        },
    };
    Some(quote_spanned! {span(events.item)=>
        const PERSONAL_FIELDS: &'static [#private::PersonalFields] = #all;
    })
}

enum Held {
    Itself,
    InOption,
    InVec,
}

/// The type inside an `Option` or a `Vec`, as it is written. A key is one value.
fn held<'a>(field: &Marked<'a>) -> (Held, &'a Type) {
    let inner = || {
        let Type::Path(path) = field.ty else { return None };
        let last = path.path.segments.last()?;
        let held = match last.ident.to_string().as_str() {
            "Option" => Held::InOption,
            "Vec" if field.attr.claim.is_none() => Held::InVec,
            _ => return None,
        };
        let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
        match arguments.args.first() {
            Some(GenericArgument::Type(inner)) if arguments.args.len() == 1 => Some((held, inner)),
            _ => None,
        }
    };
    inner().unwrap_or((Held::Itself, field.ty))
}
