//! From a checked definition to code. A definition with errors still becomes an implementation, a stub, so that code that
//! uses the type gets no errors of its own.

mod aggregate;
mod aggregate_id;
mod domain_event;
mod event_set;
mod marked;
mod members;

pub use aggregate::expand as aggregate;
pub use aggregate_id::expand as aggregate_id;
pub use domain_event::expand as domain_event;
pub use event_set::expand as event_set;

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{DeriveInput, GenericParam, Generics, WherePredicate};

/// The place that the compiler shows for errors in generated code: the type's name. Local variables stay invisible to the
/// paths that a user gives.
pub fn span(item: &DeriveInput) -> Span {
    item.ident.span().resolved_at(Span::mixed_site())
}

/// The type's generics with `Self` bounded as the trait needs it. Nothing is added to a type without parameters: the
/// compiler checks it where the trait is implemented.
fn bounded(item: &DeriveInput, predicates: impl IntoIterator<Item = WherePredicate>) -> Generics {
    let mut generics = item.generics.clone();
    if generics.type_params().next().is_some() || generics.const_params().next().is_some() {
        generics.make_where_clause().predicates.extend(predicates);
    }
    generics
}

/// Whether `tokens` name a type or const parameter.
pub fn depends_on(generics: &Generics, tokens: impl ToTokens) -> bool {
    fn any(tokens: TokenStream, generics: &Generics) -> bool {
        tokens.into_iter().any(|token| match token {
            TokenTree::Ident(ident) => generics.params.iter().any(|param| match param {
                GenericParam::Type(param) => param.ident == ident,
                GenericParam::Const(param) => param.ident == ident,
                GenericParam::Lifetime(_) => false,
            }),
            TokenTree::Group(group) => any(group.stream(), generics),
            _ => false,
        })
    }
    any(tokens.into_token_stream(), generics)
}
