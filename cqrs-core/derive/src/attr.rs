//! Helper attributes, item by item: a mistake in one does not hide those in the others.

pub mod aggregate;
pub mod event;
pub mod serde;

use proc_macro2::{Span, TokenTree};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::spanned::Spanned;
use syn::{Attribute, Error, Ident, LitInt, LitStr, Meta, Path, Result, Token};

use crate::errors::Errors;

/// A whole number and where it stands.
#[derive(Clone, Copy)]
pub struct Number {
    pub value: u32,
    pub span: Span,
}

/// Reads every item of every `#[name(…)]`. `example` shows a user how the attribute is written. `false` when an attribute
/// has no items at all: what it lacks is then not worth another error.
pub fn each_item(
    attrs: &[Attribute],
    name: &str,
    example: &str,
    errors: &mut Errors,
    mut item: impl FnMut(&Ident, ParseStream, &mut Errors) -> Result<()>,
) -> bool {
    let mut readable = true;
    for attr in attrs.iter().filter(|attr| attr.path().is_ident(name)) {
        let Meta::List(list) = &attr.meta else {
            errors.on(&attr.meta, format_args!("write it with its items in parentheses: `{example}`"));
            readable = false;
            continue;
        };
        let read = |input: ParseStream| {
            items(input, errors, |input, errors| {
                let key = input.call(Ident::parse_any)?;
                item(&key, input, errors)
            });
            Ok(())
        };
        if let Err(error) = read.parse2(list.tokens.clone()) {
            errors.add(error);
        }
    }
    readable
}

/// Reads items separated by commas to the end of `input`.
pub fn items(input: ParseStream, errors: &mut Errors, mut item: impl FnMut(ParseStream, &mut Errors) -> Result<()>) {
    while !input.is_empty() {
        let read = item(input, errors);
        if let Err(error) = read {
            errors.add(error);
        } else if !input.is_empty() && !input.peek(Token![,]) {
            errors.add(input.error("expected `,`"));
        }
        skip_item(input);
        let _ = input.parse::<Option<Token![,]>>();
    }
}

/// Goes on to the next comma.
pub fn skip_item(input: ParseStream) {
    while !input.is_empty() && !input.peek(Token![,]) {
        let _ = input.parse::<TokenTree>();
    }
}

/// `key = value`
fn value<T: Parse>(key: &Ident, input: ParseStream, what: &str, example: &str) -> Result<T> {
    let expected = |span: Span| Error::new(span, format_args!("expected {what}, as in `{example}`"));
    if !input.peek(Token![=]) {
        return Err(expected(key.span()));
    }
    input.parse::<Token![=]>()?;
    if input.is_empty() || input.peek(Token![,]) {
        return Err(expected(key.span()));
    }
    let found = input.span();
    input.parse().map_err(|_| expected(found))
}

fn string(key: &Ident, input: ParseStream, example: &str) -> Result<LitStr> {
    value(key, input, "a text in quotes", example)
}

fn number(key: &Ident, input: ParseStream, example: &str) -> Result<Number> {
    in_range(&value::<LitInt>(key, input, "a whole number", example)?)
}

/// `key`, and nothing else.
fn flag(key: &Ident, input: ParseStream) -> Result<()> {
    if input.is_empty() || input.peek(Token![,]) {
        return Ok(());
    }
    Err(Error::new(input.span(), format_args!("`{key}` takes no value: write `{key}` alone")))
}

/// Versions and counts start at 1.
fn in_range(literal: &LitInt) -> Result<Number> {
    let span = literal.span();
    match literal.base10_parse() {
        Ok(value) if value > 0 => Ok(Number { value, span }),
        _ => Err(Error::new(span, format_args!("expected a whole number from 1 to {}", u32::MAX))),
    }
}

/// `crate = path`
fn crate_path(key: &Ident, input: ParseStream) -> Result<Path> {
    let example = "crate = ::cqrs_core";
    if !input.peek(Token![=]) || input.peek2(syn::Lit) {
        return Err(Error::new(key.span(), format_args!("expected a path without quotes, as in `{example}`")));
    }
    input.parse::<Token![=]>()?;
    input.call(Path::parse_mod_style)
}

/// Refuses a key that is given a second time.
fn once<T>(slot: &mut Option<T>, key: &Ident, value: T) -> Result<()> {
    if slot.is_some() {
        return Err(Error::new(key.span(), format_args!("`{key}` is given twice")));
    }
    *slot = Some(value);
    Ok(())
}

/// Where the attribute of this name begins, for an error about what it lacks.
pub fn span_of(attrs: &[Attribute], name: &str) -> Option<Span> {
    attrs.iter().find(|attr| attr.path().is_ident(name)).map(|attr| attr.path().span())
}

/// ``a``, `b` and `c`, each in back quotes.
pub fn listed(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
