//! `#[aggregate(…)]`.

use syn::parse::ParseStream;
use syn::{Attribute, Error, Ident, LitStr, Path, Result, Type, parenthesized};

use super::{crate_path, each_item, items, listed, number, once, string, value};
use crate::errors::Errors;

const KEYS: &[&str] = &["stream", "id", "event", "error", "snapshot", "crate"];
const SNAPSHOT_KEYS: &[&str] = &["every", "older_than", "on_demand", "version"];

#[derive(Default)]
pub struct AggregateAttr {
    pub stream: Option<LitStr>,
    pub id: Option<Type>,
    pub event: Option<Type>,
    pub error: Option<Type>,
    pub snapshot: Option<Snapshot>,
    pub krate: Option<Path>,
    /// Keys that are there, though perhaps with a wrong value: they are not missing.
    seen: Vec<String>,
    unreadable: bool,
}

pub struct Snapshot {
    pub when: When,
    pub version: u32,
}

/// Numbers of events, and ages in seconds.
#[derive(Clone, Copy)]
pub enum When {
    OnDemand,
    Every(u32),
    OlderThan(u64),
    EveryOrOlderThan(u32, u64),
}

impl AggregateAttr {
    pub const EXAMPLE: &str =
        "#[aggregate(stream = \"account\", id = AccountId, event = AccountEvent, error = AccountError)]";

    pub fn parse(attrs: &[Attribute], errors: &mut Errors) -> Self {
        let mut this = Self::default();
        let readable = each_item(attrs, "aggregate", Self::EXAMPLE, errors, |key, input, errors| {
            let name = key.to_string();
            let read = match name.as_str() {
                "stream" => string(key, input, "stream = \"account\"").and_then(|it| once(&mut this.stream, key, it)),
                "id" => value(key, input, "a type", "id = AccountId").and_then(|it| once(&mut this.id, key, it)),
                "event" => {
                    value(key, input, "a type", "event = AccountEvent").and_then(|it| once(&mut this.event, key, it))
                }
                "error" => {
                    value(key, input, "a type", "error = AccountError").and_then(|it| once(&mut this.error, key, it))
                }
                "snapshot" => snapshot(key, input, errors).and_then(|it| match it {
                    Some(it) => once(&mut this.snapshot, key, it),
                    None => Ok(()),
                }),
                "crate" => crate_path(key, input).and_then(|it| once(&mut this.krate, key, it)),
                _ => Err(Error::new(
                    key.span(),
                    format_args!("unknown key `{key}`: `#[aggregate(…)]` takes {}", listed(KEYS)),
                )),
            };
            this.seen.push(name);
            read
        });
        this.unreadable = !readable;
        this
    }

    pub fn missing(&self) -> Vec<&'static str> {
        let required = ["stream", "id", "event", "error"];
        required.into_iter().filter(|key| !self.unreadable && !self.seen.iter().any(|seen| seen == key)).collect()
    }
}

/// `snapshot(every = 100, version = 1)`; nothing when it has errors of its own.
fn snapshot(key: &Ident, input: ParseStream, errors: &mut Errors) -> Result<Option<Snapshot>> {
    const EXAMPLE: &str = "as in `snapshot(every = 100)`";
    if !input.peek(syn::token::Paren) {
        return Err(Error::new(key.span(), format_args!("expected when a snapshot is taken, {EXAMPLE}")));
    }
    let content;
    parenthesized!(content in input);
    let (mut every, mut older_than, mut on_demand, mut version) = (None, None, None, None);
    let mut wrong = false;
    items(&content, errors, |input, _| {
        let key: Ident = input.parse()?;
        let read = if key == "every" {
            number(&key, input, "every = 100").and_then(|it| once(&mut every, &key, it.value))
        } else if key == "older_than" {
            age(&key, input).and_then(|it| once(&mut older_than, &key, it))
        } else if key == "on_demand" {
            once(&mut on_demand, &key, key.span())
        } else if key == "version" {
            number(&key, input, "version = 1").and_then(|it| once(&mut version, &key, it.value))
        } else {
            Err(Error::new(
                key.span(),
                format_args!("unknown key `{key}`: `snapshot(…)` takes {}", listed(SNAPSHOT_KEYS)),
            ))
        };
        wrong |= read.is_err();
        read
    });
    let when = match (every, older_than, on_demand) {
        (Some(every), None, None) => When::Every(every),
        (None, Some(seconds), None) => When::OlderThan(seconds),
        (Some(every), Some(seconds), None) => When::EveryOrOlderThan(every, seconds),
        (None, None, Some(_)) => When::OnDemand,
        (_, _, Some(span)) => {
            return Err(Error::new(span, "`on_demand` takes no snapshot by itself: leave it out, or the other keys"));
        }
        (None, None, None) if wrong => return Ok(None),
        (None, None, None) => {
            return Err(Error::new(
                key.span(),
                format_args!(
                    "`snapshot` does not say when: `every` so many events, when the newest one is `older_than` an age, \
                     or `on_demand` only, {EXAMPLE}"
                ),
            ));
        }
    };
    Ok(Some(Snapshot { when, version: version.unwrap_or(1) }))
}

/// `older_than = "1h"`, in seconds.
fn age(key: &Ident, input: ParseStream) -> Result<u64> {
    let text = string(key, input, "older_than = \"1h\"")?;
    seconds(&text.value()).ok_or_else(|| {
        Error::new(text.span(), "expected a whole number from 1 on and its unit `s`, `m`, `h` or `d`, as in \"1h\"")
    })
}

fn seconds(text: &str) -> Option<u64> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let unit: u64 = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    let digits = number.bytes().all(|byte| byte.is_ascii_digit());
    // Far beyond the life of a log, and far from what a duration in microseconds can hold.
    let number: u32 = number.parse().ok().filter(|number| digits && *number > 0)?;
    Some(u64::from(number) * unit)
}
