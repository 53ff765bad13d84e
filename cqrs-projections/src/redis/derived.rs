//! What documents contribute to structures of Redis: collected from a user's function, and written as the script reads it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use cqrs_core::{Payload, Timestamp, is_lookup, key_rule};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The largest number that Lua keeps exactly, 2^53 - 1.
const MOST: u64 = (1 << 53) - 1;

/// The longest name or member, in bytes.
const NAME_BYTES: usize = 512;

/// What one document contributes to sets, leaderboards, counters and a hash of its own: given to the function of
/// [`RedisReadModel::derive`](super::RedisReadModel::derive).
///
/// Names have 1 to 512 bytes and no control characters, members 512 bytes at most. What breaks a rule refuses the document
/// ([`Rejected`](cqrs_core::ReadModelError::Rejected)) and the batch with it.
#[derive(Debug, Default)]
pub struct RedisDerived {
    contributions: Vec<Contribution>,
    hash: Option<Fields>,
    refused: Option<String>,
}

/// One contribution; it lasts until something else is said.
#[derive(Debug)]
pub struct RedisContribution<'a> {
    ends: Option<&'a mut Option<Timestamp>>,
}

#[derive(Debug)]
struct Contribution {
    structure: String,
    member: String,
    value: String,
    ends: Option<Timestamp>,
}

#[derive(Debug, Default)]
struct Fields {
    /// Name and value, one after the other.
    fields: Vec<String>,
    ends: Option<Timestamp>,
}

/// What the script is given for one document, as JSON; empty for nothing.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Derivation {
    pub(super) contributions: String,
    pub(super) hash: String,
}

/// A user's function without its type.
pub(super) type Derive = Arc<dyn Fn(&str, &Payload, &mut RedisDerived) -> Result<(), String> + Send + Sync>;

pub(super) fn deriving<D: DeserializeOwned>(
    derive: impl Fn(&str, &D, &mut RedisDerived) + Send + Sync + 'static,
) -> Derive {
    Arc::new(move |key, payload, to| {
        let document = payload.decode().map_err(|error| format!("nothing can be derived from it: {error}"))?;
        catch_unwind(AssertUnwindSafe(|| derive(key, &document, to)))
            .map_err(|_| "what derives structures from it panicked".to_owned())
    })
}

impl RedisDerived {
    /// `member` is in the set `name`, for as long as at least one document says so.
    pub fn set(&mut self, name: impl AsRef<str>, member: impl AsRef<str>) -> RedisContribution<'_> {
        self.contribute("set", name.as_ref(), member.as_ref(), String::new())
    }

    /// `member` has this score in the leaderboard `name`. Where several documents name the same member, its highest score
    /// counts; this costs time with their number, and is meant for a few.
    ///
    /// The score is a number, not infinite.
    pub fn leaderboard(&mut self, name: impl AsRef<str>, member: impl AsRef<str>, score: f64) -> RedisContribution<'_> {
        if !score.is_finite() {
            return self.refuse(format!("{score} is no score"));
        }
        self.contribute("leaderboard", name.as_ref(), member.as_ref(), format!("{score:?}"))
    }

    /// The counter `name` is the sum of what all documents say of it: a number that stands in a document, say, or 1 for each
    /// document of a kind.
    ///
    /// The number and the sum lie within ±(2^53 - 1), 9,007,199,254,740,991.
    pub fn counter(&mut self, name: impl AsRef<str>, value: i64) -> RedisContribution<'_> {
        if value.unsigned_abs() > MOST {
            return self.refuse(format!("{value} is too large for a counter"));
        }
        self.contribute("counter", name.as_ref(), "", value.to_string())
    }

    /// The document's own hash: a field for each field of `fields`, which is the document itself, a part of it or anything
    /// else with fields. A text stands there as it is, another value as JSON; a field that is null is left out.
    ///
    /// The last call counts.
    pub fn hash<T: Serialize + ?Sized>(&mut self, fields: &T) -> RedisContribution<'_> {
        let object = match serde_json::to_value(fields) {
            Ok(Value::Object(object)) => object,
            Ok(_) => return self.refuse("what its hash is made of has no fields".to_owned()),
            Err(error) => return self.refuse(format!("its hash has no JSON form: {error}")),
        };
        let text = |value| match value {
            Value::Null => None,
            Value::String(text) => Some(text),
            other => Some(other.to_string()),
        };
        let pairs = object.into_iter().filter_map(|(name, value)| Some([name, text(value)?]));
        let hash = self.hash.insert(Fields { fields: pairs.flatten().collect(), ends: None });
        RedisContribution { ends: Some(&mut hash.ends) }
    }

    fn contribute(&mut self, kind: &str, name: &str, member: &str, value: String) -> RedisContribution<'_> {
        if let Some(reason) = rule(name) {
            return self.refuse(format!("{name:?} cannot be the name of a {kind}: {reason}"));
        }
        if member.len() > NAME_BYTES {
            return self.refuse(format!("a member of the {kind} {name:?} is longer than 512 bytes"));
        }
        let structure = format!("{kind}:{name}");
        self.contributions.push(Contribution { structure, member: member.to_owned(), value, ends: None });
        RedisContribution { ends: self.contributions.last_mut().map(|last| &mut last.ends) }
    }

    fn refuse(&mut self, reason: String) -> RedisContribution<'_> {
        self.refused.get_or_insert(reason);
        RedisContribution { ends: None }
    }

    /// What the functions make of a document.
    pub(super) fn of(derive: &[Derive], key: &str, document: &Payload) -> Result<Self, String> {
        let mut derived = Self::default();
        for derive in derive {
            derive(key, document, &mut derived)?;
        }
        match derived.refused.take() {
            Some(reason) => Err(reason),
            None => Ok(derived),
        }
    }

    /// Whether anything of it ends, so that a server which drops what has an end may drop it early.
    pub(super) fn ends(&self) -> bool {
        self.contributions.iter().any(|contribution| contribution.ends.is_some())
            || self.hash.as_ref().is_some_and(|hash| hash.ends.is_some())
    }

    pub(super) fn encode(self) -> Derivation {
        let contributions: Vec<[String; 4]> = self
            .contributions
            .into_iter()
            .map(|Contribution { structure, member, value, ends }| [structure, member, value, millis(ends)])
            .collect();
        let hash = self.hash.filter(|hash| !hash.fields.is_empty()).map(|Fields { fields, ends }| {
            let mut all = vec![millis(ends)];
            all.extend(fields);
            all
        });
        Derivation {
            contributions: if contributions.is_empty() { String::new() } else { json(&contributions) },
            hash: hash.as_ref().map(json).unwrap_or_default(),
        }
    }
}

impl RedisContribution<'_> {
    /// It ends at this moment (`None` is never), to the millisecond: what Redis holds of it is gone from then on, and stays gone.
    ///
    /// All documents that contribute to a set, leaderboard or counter have to name the same end, so the end follows from its
    /// name: a counter for each day that ends 90 days later, say. A document that names another end than is known is
    /// refused. The end of a hash is the document's alone, and may change with it.
    pub fn until(self, end: impl Into<Option<Timestamp>>) {
        if let Some(ends) = self.ends {
            *ends = end.into();
        }
    }
}

/// Milliseconds since 1970, never before: what ended then ended.
fn millis(ends: Option<Timestamp>) -> String {
    ends.map(|end| end.as_micros().div_euclid(1_000).max(1).to_string()).unwrap_or_default()
}

fn json<T: Serialize>(texts: &T) -> String {
    serde_json::to_string(texts).expect("texts have a JSON form")
}

/// The rule that a name breaks: that of the keys of documents.
pub(super) fn rule(name: &str) -> Option<&'static str> {
    if is_lookup(name) { Some("a name has no control characters") } else { key_rule(name) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn derived(derive: impl Fn(&mut RedisDerived) + Send + Sync + 'static) -> Result<Derivation, String> {
        let derive = deriving::<Value>(move |_, _, to| derive(to));
        RedisDerived::of(&[derive], "k", &Payload::from_bytes("{}")).map(RedisDerived::encode)
    }

    #[test]
    fn contributions_are_written_as_the_script_reads_them() {
        let end = Timestamp::from_micros(1_999_999);
        let all = derived(move |to| {
            to.set("active", "ann");
            to.leaderboard("top", "ann", 3.0).until(end);
            to.counter("views", -7);
            to.hash(&json!({"name": "Ann", "age": 7, "none": null, "tags": ["x"]})).until(end);
        });
        let contributions =
            r#"[["set:active","ann","",""],["leaderboard:top","ann","3.0","1999"],["counter:views","","-7",""]]"#;
        let hash = r#"["1999","age","7","name","Ann","tags","[\"x\"]"]"#;
        assert_eq!(all, Ok(Derivation { contributions: contributions.to_owned(), hash: hash.to_owned() }));
        assert_eq!(derived(|_| {}), Ok(Derivation::default()));
    }

    #[test]
    fn what_breaks_a_rule_is_refused() {
        let most = 9_007_199_254_740_991;
        assert!(derived(move |to| to.counter("c", -most).until(None)).is_ok());
        assert!(derived(move |to| to.counter("c", most + 1).until(None)).is_err());
        assert!(derived(|to| to.counter("c", i64::MIN).until(None)).is_err());
        assert!(derived(|to| to.leaderboard("l", "m", f64::NAN).until(None)).is_err());
        assert!(derived(|to| to.leaderboard("l", "m", f64::INFINITY).until(None)).is_err());
        assert!(derived(|to| to.set("", "m").until(None)).is_err());
        assert!(derived(|to| to.set("a\nb", "m").until(None)).is_err());
        assert!(derived(|to| to.set("s".repeat(513), "m").until(None)).is_err());
        assert!(derived(|to| to.set("s", "m".repeat(513)).until(None)).is_err());
        assert!(derived(|to| to.hash("text").until(None)).is_err());
        assert!(
            derived(|to| {
                to.set("s", "m").until(Timestamp::MIN);
            })
            .is_ok()
        );
    }
}
