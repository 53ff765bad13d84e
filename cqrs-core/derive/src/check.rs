//! The rules that a definition must keep. A broken rule is added to the errors and the check goes on.

use std::collections::HashMap;

use proc_macro2::Span;
use syn::ext::IdentExt;
use syn::{DeriveInput, ExprPath, Fields, Ident, LitStr, Type};

use crate::ast::{Aggregate, Events, Kind, Set};
use crate::attr::aggregate::AggregateAttr;
use crate::attr::{listed, serde, span_of};
use crate::errors::Errors;
use crate::expand::depends_on;
use crate::fingerprint::Fingerprint;
use crate::name;

/// A kind of event whose names are settled.
pub struct Named<'a> {
    pub kind: &'a Kind<'a>,
    pub event_type: String,
    /// Older event types, each with the upcasters that lead to the current one: none where only the name was another.
    pub older: Vec<(String, Vec<&'a ExprPath>)>,
}

pub fn events<'a>(events: &'a Events<'a>, errors: &mut Errors) -> Vec<Named<'a>> {
    owns_its_data(events.item, errors);
    if events.is_enum {
        serde::check_enum(&events.item.attrs, errors);
        if events.kinds.is_empty() && events.nested.is_empty() {
            let ident = &events.item.ident;
            errors.on(ident, format_args!("`{ident}` has no events: add a variant for each thing that can happen"));
        }
    }
    let domain = domain(events, errors);
    let mut named = Vec::new();
    for kind in &events.kinds {
        if events.is_enum {
            serde::check_variant(kind.attrs, errors);
        }
        fields(kind, errors);
        scopes(kind, errors);
        somebody(kind, errors);
        let action = action(kind, errors);
        let chain = chain(kind, errors);
        if let (Some(domain), Some(action), Some(chain)) = (&domain, action, chain) {
            let event_type = |version: u32| format!("{domain}.{action}.v{version}");
            let version = kind.attr.version.map_or(1, |version| version.value);
            let paths: Vec<&ExprPath> = chain.iter().map(|(_, path)| *path).collect();
            let mut older: Vec<_> =
                versions(&chain).map(|(step, from)| (event_type(from), paths[step..].to_vec())).collect();
            for former in former_names(kind, errors) {
                let all = versions(&chain).chain([(chain.len(), version)]);
                older.extend(all.map(|(step, from)| (format!("{former}.v{from}"), paths[step..].to_vec())));
            }
            named.push(Named { kind, event_type: event_type(version), older });
        }
    }
    let mut owners = distinct(&named, errors);
    gone(events, &mut owners, errors);
    nested(events, errors);
    named
}

/// The older versions, each with the place of its upcaster.
fn versions(chain: &[(u32, &ExprPath)]) -> impl Iterator<Item = (usize, u32)> {
    chain.iter().enumerate().map(|(step, (from, _))| (step, *from))
}

/// Names that the event had, as far as they can be names.
fn former_names(kind: &Kind, errors: &mut Errors) -> Vec<String> {
    let mut former = Vec::new();
    for given in kind.attr.renamed_from.iter().flatten() {
        let value = given.value();
        let unversioned = name::without_version(&value);
        if unversioned.is_none() && name::is_domain(&value) && value.contains('.') {
            former.push(value);
            continue;
        }
        let hint = match unversioned {
            Some(name) => format!(", without a version: write `{name}`, all versions of it are read"),
            None => ", as in `account.created`".to_owned(),
        };
        errors.on(given, format_args!("a former name is the domain and the name of the event{hint}"));
    }
    former
}

/// The event types that no event is written under any more, and that no event reads as an older version of its own.
fn gone(events: &Events, owners: &mut HashMap<String, String>, errors: &mut Errors) {
    let retired = events.attr.retired.iter().flatten().map(|retired| &retired.event_type);
    for given in retired.chain(events.attr.dropped.iter().flatten()) {
        let value = given.value();
        if !name::is_event_type(&value) {
            errors.on(given, "an event type is the domain, the name and the version, as in `account.moved.v1`");
        } else if let Some(owner) = owners.insert(value.clone(), "another entry".to_owned()) {
            errors.on(given, format_args!("`{value}` is read by {owner} already: say once what becomes of its events"));
        }
    }
}

fn nested(events: &Events, errors: &mut Errors) {
    if let (Some(domain), true, false) = (&events.attr.domain, events.kinds.is_empty(), events.nested.is_empty()) {
        errors.on(domain, "remove `domain`: all variants hold events that have a domain of their own");
    }
    for nested in &events.nested {
        serde::check_variant(nested.attrs, errors);
        if depends_on(&events.item.generics, nested.ty) {
            errors.on(
                nested.ty,
                "the nested events must be known without the type's parameters: write out which type they are of",
            );
        }
    }
    different(events.nested.iter().map(|nested| (nested.ident, nested.ty)), errors);
}

/// Refuses a type that two variants hold.
fn different<'a>(members: impl Iterator<Item = (&'a Ident, &'a Type)>, errors: &mut Errors) {
    let hash = |ty: &Type| {
        let mut hash = Fingerprint::new();
        hash.tokens(ty);
        hash.finish()
    };
    let mut owners = HashMap::new();
    for (ident, ty) in members {
        if let Some(owner) = owners.insert(hash(ty), ident) {
            errors.on(
                ty,
                format_args!(
                    "`{owner}` and `{ident}` hold the same events, `{ident}` would never receive one: remove it"
                ),
            );
        }
    }
}

fn domain(events: &Events, errors: &mut Errors) -> Option<String> {
    let Some(domain) = &events.attr.domain else {
        if !events.attr.has_domain && !events.kinds.is_empty() {
            let ident = &events.item.ident;
            let span = span_of(&events.item.attrs, "event").unwrap_or_else(|| ident.span());
            errors.at(span, format_args!("the domain is missing: add `domain = \"…\"` as in `#[event(domain = \"account\")]`, event types begin with it"));
        }
        return None;
    };
    let value = domain.value();
    if name::is_domain(&value) {
        return Some(value);
    }
    let better = name::snake_case(&value);
    let hint = if name::is_domain(&better) { format!(": write `{better}`") } else { String::new() };
    errors.on(
        domain,
        format_args!("a domain is one or more words of `a`-`z`, `0`-`9` and `_`, with dots between them{hint}"),
    );
    None
}

fn action(kind: &Kind, errors: &mut Errors) -> Option<String> {
    if let Some(given) = &kind.attr.name {
        let value = given.value();
        if name::is_word(&value) {
            return Some(value);
        }
        let better = name::snake_case(&value);
        let hint = if name::is_word(&better) { format!(": write `{better}`") } else { String::new() };
        errors.on(given, format_args!("the name of an event is made of `a`-`z`, `0`-`9` and `_`{hint}"));
        return None;
    }
    let derived = name::snake_case(&kind.ident.unraw().to_string());
    if name::is_word(&derived) {
        return Some(derived);
    }
    errors.on(kind.ident, format_args!("`{derived}` cannot be part of an event type, which is made of `a`-`z`, `0`-`9` and `_`: name the event with `#[event(name = \"…\")]`"));
    None
}

/// The upcasters in order, each with the version that it takes.
fn chain<'a>(kind: &'a Kind, errors: &mut Errors) -> Option<Vec<(u32, &'a ExprPath)>> {
    let current = kind.attr.version.map_or(1, |version| version.value);
    let mut good = true;
    let mut refuse = |span: Span, message: String| {
        errors.at(span, message);
        good = false;
    };
    let mut last = 0;
    let mut chain = Vec::new();
    for step in kind.attr.upcast_from.iter().flatten() {
        let from = step.version.value;
        if from >= current {
            refuse(
                step.version.span,
                match kind.attr.version {
                    Some(_) => format!("version {from} is not older than the current version {current}"),
                    None => format!(
                        "version {from} is not older than the current version, which is 1 when it is not given: add `version = {}`",
                        from.saturating_add(1)
                    ),
                },
            );
        } else if from == last {
            refuse(step.version.span, format!("version {from} is listed twice"));
        } else if from < last {
            refuse(
                step.version.span,
                format!("older versions are listed in ascending order: version {from} stands before version {last}"),
            );
        }
        last = from;
        chain.push((from, &step.path));
    }
    good.then_some(chain)
}

fn fields(kind: &Kind, errors: &mut Errors) {
    let Fields::Unnamed(fields) = kind.fields else {
        return;
    };
    let ident = kind.ident;
    match fields.unnamed.len() {
        0 => errors.on(fields, format_args!("`{ident}` holds nothing: remove the parentheses")),
        1 => {}
        _ => errors.on(fields, format_args!("use named fields: `{ident} {{ … }}`. They are recorded as a list otherwise, in which a field can be neither added nor removed later")),
    }
}

/// Personal data is somebody's.
fn somebody(kind: &Kind, errors: &mut Errors) {
    let personal = kind.marked.iter().find_map(|field| field.attr.personal);
    if let (Some(span), false) = (personal, kind.marked.iter().any(|field| field.attr.subject.is_some())) {
        errors.at(span, "whose data is this? Mark the field that names the person, by an id that is no personal data, with `#[event(subject)]`");
    }
}

fn scopes(kind: &Kind, errors: &mut Errors) {
    let claims = kind.marked.iter().filter_map(|field| field.attr.claim.as_ref()).map(|claim| ("key", &claim.scope));
    let tags = kind.marked.iter().filter_map(|field| field.attr.tag.as_ref()).map(|kind| ("tag", kind));
    for (what, scope) in claims.chain(tags) {
        let value = scope.value();
        if name::is_scope(&value) {
            continue;
        }
        let better = name::snake_case(&value);
        let hint = if name::is_scope(&better) { format!(": write `{better}`") } else { String::new() };
        errors.on(
            scope,
            format_args!("the kind of a {what} is 1 to 64 ASCII lower-case letters, digits, `_` and `.`{hint}"),
        );
    }
}

/// Checks that each event type is read by one kind of event; answers by which.
fn distinct(named: &[Named], errors: &mut Errors) -> HashMap<String, String> {
    let mut owners: HashMap<&str, &Kind> = HashMap::new();
    for Named { kind, event_type, older } in named {
        let ident = kind.ident;
        for event_type in [event_type].into_iter().chain(older.iter().map(|(older, _)| older)) {
            if event_type.len() > name::LONGEST_EVENT_TYPE {
                errors.on(ident, format_args!("the event type `{event_type}` is longer than {} bytes: shorten it with `#[event(name = \"…\")]`", name::LONGEST_EVENT_TYPE));
            }
            if let Some(owner) = owners.insert(event_type, kind) {
                errors.on(ident, format_args!("`{}` and `{ident}` have the same event type `{event_type}`: give one of them another name with `#[event(name = \"…\")]`", owner.ident));
            }
        }
    }
    owners.into_iter().map(|(event_type, kind)| (event_type.to_owned(), format!("`{}`", kind.ident))).collect()
}

fn owns_its_data(item: &DeriveInput, errors: &mut Errors) {
    for lifetime in item.generics.lifetimes() {
        errors.on(
            &lifetime.lifetime,
            format_args!(
                "`{}` must own its data: remove `{}` and use types such as `String` instead of references",
                item.ident, lifetime.lifetime
            ),
        );
    }
}

pub fn set(set: &Set, errors: &mut Errors) {
    owns_its_data(set.item, errors);
    different(set.members.iter().map(|member| (member.ident, member.ty)), errors);
}

pub fn aggregate(aggregate: &Aggregate, errors: &mut Errors) {
    owns_its_data(aggregate.item, errors);
    let missing = aggregate.attr.missing();
    if !missing.is_empty() {
        let span = span_of(&aggregate.item.attrs, "aggregate").unwrap_or_else(|| aggregate.item.ident.span());
        errors.at(span, format_args!("missing {}, as in `{}`", listed(&missing), AggregateAttr::EXAMPLE));
    }
    if let Some(stream) = &aggregate.attr.stream {
        category(stream, errors);
    }
}

fn category(stream: &LitStr, errors: &mut Errors) {
    let value = stream.value();
    if name::is_category(&value) {
        return;
    }
    let better = value.replace('-', "_");
    let hint = if name::is_category(&better) {
        format!("; a `-` separates it from the aggregate's id: write `{better}`")
    } else {
        String::new()
    };
    errors.on(stream, format_args!("the stream's category is 1 to 64 ASCII letters, digits, `_` and `.`{hint}"));
}
