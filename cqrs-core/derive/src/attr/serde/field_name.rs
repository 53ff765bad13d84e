//! The name that serde writes a field under.

use syn::ext::IdentExt;
use syn::{Attribute, Expr, ExprLit, Ident, Lit, Meta, Token};

/// The value of a key in `#[serde(…)]`, `rename(serialize = "…")` included.
fn text_of(attrs: &[Attribute], key: &str) -> Option<String> {
    let mut found = None;
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("serde")) {
        // What serde does not understand, serde reports.
        let _ = attr.parse_nested_meta(|meta| {
            if meta.path.is_ident(key) && meta.input.peek(syn::token::Paren) {
                return meta.parse_nested_meta(|inner| {
                    let value: Expr = inner.value()?.parse()?;
                    if inner.path.is_ident("serialize") {
                        found = literal(&value);
                    }
                    Ok(())
                });
            }
            if meta.input.peek(Token![=]) {
                let value: Expr = meta.value()?.parse()?;
                if meta.path.is_ident(key) {
                    found = literal(&value);
                }
            } else if meta.input.peek(syn::token::Paren) {
                let _: proc_macro2::Group = meta.input.parse()?;
            }
            Ok(())
        });
    }
    found
}

fn literal(value: &Expr) -> Option<String> {
    match value {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
        _ => None,
    }
}

/// How the fields of a container or variant are renamed.
pub fn rename_rule(attrs: &[Attribute], key: &str) -> Option<String> {
    text_of(attrs, key)
}

/// Whether the field's own fields are written in its place.
pub fn is_flattened(attrs: &[Attribute]) -> bool {
    attrs.iter().filter(|attr| attr.path().is_ident("serde")).any(|attr| match &attr.meta {
        Meta::List(list) => list.tokens.clone().into_iter().any(|token| token.to_string() == "flatten"),
        _ => false,
    })
}

/// The field's name in JSON. The rules are those of <https://serde.rs/container-attrs.html#rename_all>.
pub fn name_of(field: &Ident, attrs: &[Attribute], rule: Option<&str>) -> String {
    if let Some(name) = text_of(attrs, "rename") {
        return name;
    }
    let name = field.unraw().to_string();
    let pascal = || name.split('_').map(capital).collect::<String>();
    match rule {
        Some("UPPERCASE" | "SCREAMING_SNAKE_CASE") => name.to_ascii_uppercase(),
        Some("PascalCase") => pascal(),
        Some("camelCase") => {
            let pascal = pascal();
            pascal.chars().take(1).map(|first| first.to_ascii_lowercase()).chain(pascal.chars().skip(1)).collect()
        }
        Some("kebab-case") => name.replace('_', "-"),
        Some("SCREAMING-KEBAB-CASE") => name.to_ascii_uppercase().replace('_', "-"),
        _ => name,
    }
}

fn capital(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(chars).collect()
}
