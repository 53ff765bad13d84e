//! Sets, leaderboards, counters and hashes that are derived from documents.

use std::collections::{BTreeMap, BTreeSet};

use cqrs_core::{
    Batch, DocumentWrite, LiveGeneration, Partitions, Payload, ReadModel, ReadModelError, Target, Timestamp,
};
use cqrs_projections::{RedisDerived, RedisReadModel};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde::{Deserialize, Serialize};

use super::scratch::{Scratch, batch, load, owned, position, removal, stored, summary, target, token, write};

/// A document that says itself what it contributes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Contributions {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    sets: Vec<(String, String)>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    scores: Vec<(String, String, f64)>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    counts: Vec<(String, i64)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hash: Option<BTreeMap<String, String>>,
    /// When all of it ends, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    ends: Option<i64>,
    #[serde(skip_serializing_if = "is_false")]
    panics: bool,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_false(value: &bool) -> bool {
    !value
}

pub fn contribute(model: RedisReadModel) -> RedisReadModel {
    model.derive(|_, document: &Contributions, to: &mut RedisDerived| {
        assert!(!document.panics);
        let ends = document.ends.map(|millis| Timestamp::from_micros(millis * 1_000));
        for (name, member) in &document.sets {
            to.set(name, member).until(ends);
        }
        for (name, member, score) in &document.scores {
            to.leaderboard(name, member, *score).until(ends);
        }
        for (name, value) in &document.counts {
            to.counter(name, *value).until(ends);
        }
        if let Some(fields) = &document.hash {
            to.hash(fields).until(ends);
        }
    })
}

async fn deriving(scratch: &Scratch) -> (RedisReadModel, Target) {
    let model = contribute(scratch.model().await);
    let target = owned(&model).await;
    (model, target)
}

async fn set(model: &RedisReadModel, name: &str) -> BTreeSet<String> {
    model.set("summary", name).unwrap().members().await.unwrap()
}

async fn top(model: &RedisReadModel, name: &str) -> Vec<(String, f64)> {
    let top = model.leaderboard("summary", name).unwrap().top(100).await.unwrap();
    top.into_iter().map(|scored| (scored.member, scored.score)).collect()
}

async fn count(model: &RedisReadModel, name: &str) -> i64 {
    model.counter("summary", name).unwrap().get().await.unwrap()
}

fn members(all: &[&str]) -> BTreeSet<String> {
    all.iter().map(|&member| member.to_owned()).collect()
}

fn scored(all: &[(&str, f64)]) -> Vec<(String, f64)> {
    all.iter().map(|(member, score)| ((*member).to_owned(), *score)).collect()
}

#[tokio::test]
async fn the_keys_are_as_documented() {
    let scratch = Scratch::new();
    let (model, target) = deriving(&scratch).await;
    let ann =
        r#"{"sets":[["active","ann"]],"scores":[["top","ann",7.5]],"counts":[["views",3]],"hash":{"name":"Ann"}}"#;
    let bob = r#"{"sets":[["active","ann"],["active","bob"]],"scores":[["top","ann",9]],"counts":[["views",4]]}"#;
    model.apply(&target, batch(0, 2, vec![write("1", ann, 1), write("2", bob, 2)])).await.unwrap();
    let dump: String = scratch
        .dump()
        .iter()
        .filter(|(key, _)| !key.ends_with("}:checkpoint") && !key.contains(":doc:") && !key.ends_with(":generations"))
        .map(|(key, held)| format!("{key} = {held}\n"))
        .collect();
    assert_eq!(dump, include_str!("derived.txt"));
}

#[tokio::test]
async fn structures_follow_the_documents_as_they_change_and_go() {
    let scratch = Scratch::new();
    let (model, target) = deriving(&scratch).await;
    let empty = scratch.dump();
    let one =
        r#"{"sets":[["active","ann"]],"scores":[["top","ann",1]],"counts":[["views",3]],"hash":{"a":"1","b":"2"}}"#;
    model.apply(&target, batch(0, 1, vec![write("1", one, 1)])).await.unwrap();
    let two = r#"{"sets":[["active","bob"],["idle","ann"]],"scores":[["top","bob",2.5]],"counts":[["views",-4]],"hash":{"b":"3"}}"#;
    model.apply(&target, batch(1, 2, vec![write("1", two, 2)])).await.unwrap();

    assert_eq!(set(&model, "active").await, members(&["bob"]));
    assert_eq!(set(&model, "idle").await, members(&["ann"]));
    assert_eq!(top(&model, "top").await, scored(&[("bob", 2.5)]));
    assert_eq!(count(&model, "views").await, -4);
    let hashes = model.hashes("summary").unwrap();
    assert_eq!(hashes.get("1").await.unwrap(), Some(BTreeMap::from([("b".to_owned(), "3".to_owned())])));
    assert_eq!(hashes.field("1", "b").await.unwrap().as_deref(), Some("3"));
    assert_eq!(hashes.field("1", "a").await.unwrap(), None);

    model.apply(&target, batch(2, 3, vec![removal("1", 3)])).await.unwrap();
    assert_eq!(set(&model, "active").await, members(&[]));
    assert_eq!(hashes.get("1").await.unwrap(), None);
    assert!(scratch.dump().keys().eq(empty.keys()), "{:?}", scratch.dump());
}

#[tokio::test]
async fn a_member_that_several_documents_name_stays_as_long_as_one_does() {
    let scratch = Scratch::new();
    let (model, target) = deriving(&scratch).await;
    let names = |score: f64| format!(r#"{{"sets":[["active","ann"]],"scores":[["top","ann",{score:?}]]}}"#);
    let all = vec![write("1", &names(3.0), 1), write("2", &names(5.0), 1), write("3", &names(5.0), 1)];
    model.apply(&target, batch(0, 1, all)).await.unwrap();
    assert_eq!(top(&model, "top").await, scored(&[("ann", 5.0)]));
    model.apply(&target, batch(1, 2, vec![removal("2", 2)])).await.unwrap();
    assert_eq!(top(&model, "top").await, scored(&[("ann", 5.0)]));
    model.apply(&target, batch(2, 3, vec![write("3", &names(-1.0), 3)])).await.unwrap();
    assert_eq!(top(&model, "top").await, scored(&[("ann", 3.0)]));
    model.apply(&target, batch(3, 4, vec![removal("1", 4)])).await.unwrap();
    assert_eq!(top(&model, "top").await, scored(&[("ann", -1.0)]));
    assert_eq!(set(&model, "active").await, members(&["ann"]));
    model.apply(&target, batch(4, 5, vec![write("3", "{}", 5)])).await.unwrap();
    assert_eq!(top(&model, "top").await, []);
    assert_eq!(set(&model, "active").await, members(&[]));
    let left = scratch.dump();
    assert!(!left.keys().any(|key| key.contains(":shared:") || key.contains(":structures")), "{left:?}");
}

#[tokio::test]
async fn a_counter_whose_parts_cancel_each_other_is_not_forgotten() {
    let scratch = Scratch::new();
    let (model, target) = deriving(&scratch).await;
    let counts = |value: i64| format!(r#"{{"counts":[["balance",{value}]]}}"#);
    model.apply(&target, batch(0, 1, vec![write("1", &counts(5), 1), write("2", &counts(-5), 1)])).await.unwrap();
    assert_eq!(count(&model, "balance").await, 0);
    model.apply(&target, batch(1, 2, vec![removal("2", 2)])).await.unwrap();
    assert_eq!(count(&model, "balance").await, 5);
}

#[tokio::test]
async fn the_largest_counters_are_exact_and_larger_ones_refused() {
    let scratch = Scratch::new();
    let (model, target) = deriving(&scratch).await;
    let most = 9_007_199_254_740_991_i64;
    let counts = |value: i64| format!(r#"{{"counts":[["sum",{value}]]}}"#);
    let all = vec![write("1", &counts(most - 1), 1), write("2", &counts(1), 1)];
    model.apply(&target, batch(0, 1, all)).await.unwrap();
    assert_eq!(count(&model, "sum").await, most);
    let before = scratch.dump();
    for document in [write("3", &counts(1), 2), write("3", &counts(most + 1), 2)] {
        let error = model.apply(&target, batch(1, 2, vec![document])).await.unwrap_err();
        assert!(matches!(&error, ReadModelError::Rejected { key, .. } if key == "3"), "{error:?}");
    }
    assert_eq!(scratch.dump(), before);
}

/// Everything that a batch can touch, once as it was and once to be changed.
pub const WAS: &str =
    r#"{"sets":[["s","a"],["s","b"]],"scores":[["l","a",1],["l","b",1]],"counts":[["c",1]],"hash":{"f":"1"}}"#;
pub const CHANGED: &str =
    r#"{"sets":[["s","b"],["s","c"]],"scores":[["l","b",2],["l","c",3]],"counts":[["c",2]],"hash":{"f":"2"}}"#;

#[tokio::test]
async fn a_structure_key_of_another_type_refuses_the_whole_batch() {
    let foreign: [(&str, &[&str]); 9] = [
        ("set:s", &["SET", "", "foreign"]),
        ("leaderboard:l", &["SET", "", "foreign"]),
        ("counter:c", &["SET", "", "foreign"]),
        ("counter:c", &["LPUSH", "", "foreign"]),
        ("hash:k", &["SET", "", "foreign"]),
        ("shared:set:s", &["SET", "", "foreign"]),
        ("shared:leaderboard:l", &["SET", "", "foreign"]),
        ("derived", &["SET", "", "foreign"]),
        ("structures", &["SET", "", "foreign"]),
    ];
    for (name, command) in foreign {
        let scratch = Scratch::new();
        let (model, target) = deriving(&scratch).await;
        model.apply(&target, batch(0, 5, vec![write("k", WAS, 5), write("l", WAS, 5)])).await.unwrap();
        let key = format!("{{summary:1:0}}:{name}");
        let _: u64 = scratch.command(&["DEL", &key]);
        let command: Vec<&str> =
            command.iter().map(|&word| if word.is_empty() { key.as_str() } else { word }).collect();
        let _: redis::Value = scratch.command(&command);
        let before = scratch.dump();

        let documents = vec![write("other", "{}", 6), write("k", CHANGED, 6), removal("l", 7)];
        let error = model.apply(&target, batch(5, 7, documents)).await.unwrap_err();
        let refused = matches!(&error, ReadModelError::Rejected { key, .. } if key == "k");
        assert!(refused == (name == "hash:k"), "{name}: {error:?}");
        assert!(refused || matches!(error, ReadModelError::Corrupt { .. }), "{name}: {error:?}");
        assert_eq!(scratch.dump(), before, "{name}");
    }
}

#[tokio::test]
async fn what_cannot_be_derived_refuses_the_whole_batch() {
    let scratch = Scratch::new();
    let (model, target) = deriving(&scratch).await;
    model.apply(&target, batch(0, 5, vec![write("k", WAS, 5)])).await.unwrap();
    let before = scratch.dump();
    for refused in [r#"{"sets":[["","a"]]}"#, r#"{"panics":true}"#, r#"{"sets":7}"#, "{\"sets\":[[\"a\\u0007\",\"\"]]}"]
    {
        let documents = vec![write("k", CHANGED, 6), write("bad", refused, 6)];
        let error = model.apply(&target, batch(5, 6, documents)).await.unwrap_err();
        assert!(matches!(&error, ReadModelError::Rejected { key, .. } if key == "bad"), "{error:?}");
    }
    assert_eq!(scratch.dump(), before);
}

#[tokio::test]
async fn lookups_contribute_nothing() {
    let scratch = Scratch::new();
    let (model, target) = deriving(&scratch).await;
    let lookup = cqrs_core::lookup_key("k");
    model.apply(&target, batch(0, 5, vec![write(&lookup, WAS, 5), write("k", WAS, 5)])).await.unwrap();
    assert_eq!(count(&model, "c").await, 1);
    assert_eq!(model.hashes("summary").unwrap().get(&lookup).await.unwrap(), None);
}

#[tokio::test]
async fn a_batch_that_is_repeated_or_fenced_changes_no_structure() {
    let scratch = Scratch::new();
    let (model, target) = deriving(&scratch).await;
    model.apply(&target, batch(0, 5, vec![write("k", WAS, 5)])).await.unwrap();
    let before = scratch.dump();
    model.apply(&target, batch(0, 5, vec![write("k", WAS, 5)])).await.unwrap();
    assert_eq!(scratch.dump(), before);
    model.fence(&target, token(2)).await.unwrap();
    let before = scratch.dump();
    let error = model.apply(&target, batch(5, 6, vec![write("k", CHANGED, 6)])).await.unwrap_err();
    assert!(matches!(error, ReadModelError::Fenced { .. }), "{error:?}");
    assert_eq!(scratch.dump(), before);
}

#[tokio::test]
async fn without_the_function_contributions_are_taken_back_as_documents_change() {
    let scratch = Scratch::new();
    let (model, target) = deriving(&scratch).await;
    model.apply(&target, batch(0, 5, vec![write("k", WAS, 5), write("l", WAS, 5)])).await.unwrap();
    let plain = scratch.model().await;
    plain.apply(&target, batch(5, 6, vec![write("k", CHANGED, 6)])).await.unwrap();
    assert_eq!(count(&model, "c").await, 1, "the other document still contributes");
    plain.apply(&target, batch(6, 7, vec![removal("l", 7)])).await.unwrap();
    let left: Vec<String> = scratch.dump().into_keys().collect();
    assert_eq!(
        left,
        ["{summary:1:0}:checkpoint", "{summary:1:0}:doc:k", "{summary:1:0}:keys", "{summary}:generations"]
    );
}

#[tokio::test]
async fn readers_see_the_live_generation_only() {
    let scratch = Scratch::new();
    let (model, first) = deriving(&scratch).await;
    model.apply(&first, batch(0, 5, vec![write("k", WAS, 5)])).await.unwrap();
    let (active, board) = (model.set("summary", "s").unwrap(), model.leaderboard("summary", "l").unwrap());
    let (counter, hashes) = (model.counter("summary", "c").unwrap(), model.hashes("summary").unwrap());
    assert_eq!(counter.get().await.unwrap(), 1);

    let second = target(model.begin(&summary(), Partitions::ONE).await.unwrap());
    model.fence(&second, token(1)).await.unwrap();
    model.apply(&second, batch(0, 5, vec![write("k", CHANGED, 5)])).await.unwrap();
    assert_eq!(active.members().await.unwrap(), members(&["a", "b"]));
    assert_eq!(counter.get().await.unwrap(), 1);
    model.swap(&summary(), second.generation).await.unwrap();
    model.drop_generation(&summary(), first.generation).await.unwrap();
    assert_eq!(active.members().await.unwrap(), members(&["b", "c"]));
    assert_eq!(board.score("b").await.unwrap(), Some(2.0));
    assert_eq!(counter.get().await.unwrap(), 2);
    assert_eq!(hashes.field("k", "f").await.unwrap().as_deref(), Some("2"));
    let of_the_first: Vec<String> = scratch.dump().into_keys().filter(|key| key.starts_with("{summary:1:")).collect();
    assert_eq!(of_the_first, ["{summary:1:0}:checkpoint"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_during_swaps_sees_one_generation_or_the_other() {
    let scratch = Scratch::new();
    let (model, mut live) = deriving(&scratch).await;
    let many = |count: usize| {
        (0..count).map(|n| write(&format!("k{n}"), &format!(r#"{{"sets":[["s","m{n}"]],"counts":[["c",1]]}}"#), 5))
    };
    model.apply(&live, batch(0, 5, many(600).collect())).await.unwrap();
    let (set, counter) = (model.set("summary", "s").unwrap(), model.counter("summary", "c").unwrap());
    let reader = tokio::spawn(async move {
        let mut seen = 0;
        loop {
            let (len, all, sum) =
                (set.len().await.unwrap(), set.members().await.unwrap(), counter.get().await.unwrap());
            assert_eq!((len, all.len(), sum), (600, 600, 600));
            seen += 1;
            if seen > 30 {
                return;
            }
        }
    });
    while !reader.is_finished() {
        let next = target(model.begin(&summary(), Partitions::ONE).await.unwrap());
        model.fence(&next, token(1)).await.unwrap();
        model.apply(&next, batch(0, 5, many(600).collect())).await.unwrap();
        model.swap(&summary(), next.generation).await.unwrap();
        model.drop_generation(&summary(), live.generation).await.unwrap();
        live = next;
    }
    reader.await.unwrap();
}

#[tokio::test]
async fn of_what_was_never_opened_nothing_is_read() {
    let scratch = Scratch::new();
    let model = scratch.model().await;
    assert_eq!(set(&model, "s").await, members(&[]));
    assert_eq!(top(&model, "l").await, []);
    assert_eq!(count(&model, "c").await, 0);
    assert_eq!(model.hashes("summary").unwrap().get("k").await.unwrap(), None);
    assert!(model.set("summary", "").is_err() && model.counter("no projection", "c").is_err());
    assert!(scratch.dump().is_empty());
}

fn millis() -> i64 {
    Timestamp::now().as_micros() / 1_000
}

#[tokio::test]
async fn what_has_ended_is_gone_and_stays_gone_while_its_document_is_folded_on() {
    let scratch = Scratch::new();
    let (model, target) = deriving(&scratch).await;
    let ends = millis() + 150;
    let ending = |text: &str| text.replacen('{', &format!(r#"{{"ends":{ends},"#), 1);
    model.apply(&target, batch(0, 5, vec![write("k", &ending(WAS), 5), write("l", &ending(WAS), 5)])).await.unwrap();
    scratch.until("it ended", |dump| !dump.keys().any(|key| key.contains(":set:") || key.contains(":hash:"))).await;

    model.apply(&target, batch(5, 6, vec![write("k", &ending(CHANGED), 6), removal("l", 6)])).await.unwrap();
    assert_eq!(load(&model, &target, &["k"]).await, [stored(&ending(CHANGED), 6)]);
    assert_eq!(set(&model, "s").await, members(&[]));
    assert_eq!(top(&model, "l").await, []);
    assert_eq!(count(&model, "c").await, 0);
    assert_eq!(model.hashes("summary").unwrap().get("k").await.unwrap(), None);
    let left: Vec<String> = scratch.dump().into_keys().collect();
    assert_eq!(
        left,
        [
            "{summary:1:0}:checkpoint",
            "{summary:1:0}:derived",
            "{summary:1:0}:doc:k",
            "{summary:1:0}:keys",
            "{summary}:generations"
        ]
    );
}

#[tokio::test]
async fn every_key_of_what_ends_ends_with_it() {
    let scratch = Scratch::new();
    let (model, target) = deriving(&scratch).await;
    let ends = millis() + 3_600_000;
    let ending = |text: &str| text.replacen('{', &format!(r#"{{"ends":{ends},"#), 1);
    model.apply(&target, batch(0, 5, vec![write("k", &ending(WAS), 5), write("l", &ending(WAS), 5)])).await.unwrap();
    model.apply(&target, batch(5, 6, vec![write("k", &ending(CHANGED), 6)])).await.unwrap();
    for name in ["set:s", "leaderboard:l", "counter:c", "hash:k", "hash:l", "shared:set:s", "shared:leaderboard:l"] {
        let at: i64 = scratch.command(&["PEXPIRETIME", &format!("{{summary:1:0}}:{name}")]);
        assert_eq!(at, ends, "{name}");
    }
    for name in ["doc:k", "derived", "structures", "keys", "checkpoint"] {
        let at: i64 = scratch.command(&["PEXPIRETIME", &format!("{{summary:1:0}}:{name}")]);
        assert_eq!(at, -1, "{name} has no end");
    }
}

#[tokio::test]
async fn documents_that_name_different_ends_for_one_structure_are_refused() {
    let scratch = Scratch::new();
    let (model, target) = deriving(&scratch).await;
    let ends = millis() + 3_600_000;
    let ending = |ends: i64| format!(r#"{{"ends":{ends},"counts":[["day",1]]}}"#);
    model.apply(&target, batch(0, 5, vec![write("k", &ending(ends), 5)])).await.unwrap();
    let before = scratch.dump();
    let never = r#"{"counts":[["day",1]]}"#.to_owned();
    for other in [ending(ends + 1), never] {
        let error = model.apply(&target, batch(5, 6, vec![write("l", &other, 6)])).await.unwrap_err();
        assert!(matches!(&error, ReadModelError::Rejected { key, .. } if key == "l"), "{error:?}");
    }
    assert_eq!(scratch.dump(), before);
    // A hash is the document's own: its end moves.
    let hash = |ends: i64| format!(r#"{{"ends":{ends},"hash":{{"f":"1"}}}}"#);
    for (at, ends) in [(6, ends), (7, ends + 1_000)] {
        model.apply(&target, batch(at - 1, at, vec![write("h", &hash(ends), at)])).await.unwrap();
        let found: i64 = scratch.command(&["PEXPIRETIME", "{summary:1:0}:hash:h"]);
        assert_eq!(found, ends);
    }
    model.apply(&target, batch(7, 8, vec![write("h", r#"{"hash":{"f":"1"}}"#, 8)])).await.unwrap();
    let found: i64 = scratch.command(&["PEXPIRETIME", "{summary:1:0}:hash:h"]);
    assert_eq!(found, -1);
}

/// Documents of a few keys that contribute to a few structures, so that they meet.
fn documents() -> impl Strategy<Value = Contributions> {
    let name = |kind: &'static str| (0..2_u8).prop_map(move |n| format!("{kind}{n}"));
    let member = || (0..4_u8).prop_map(|n| format!("m{n}"));
    let hash = proptest::collection::btree_map("[ab]", "[xy]", 0..3);
    (
        proptest::collection::vec((name("s"), member()), 0..4),
        proptest::collection::vec((name("l"), member(), (-8..8_i8).prop_map(|n| f64::from(n) / 4.0)), 0..4),
        proptest::collection::vec((name("c"), -5..5_i64), 0..3),
        proptest::option::of(hash),
    )
        .prop_map(|(sets, scores, counts, hash)| Contributions {
            sets,
            scores,
            counts,
            hash,
            ..Contributions::default()
        })
}

type Change = (u8, Option<Contributions>);

/// What the structures are when these are all documents.
fn check(dump: &BTreeMap<String, String>, all: &BTreeMap<u8, Contributions>) {
    let of = |kind: &str| dump.keys().filter(|key| key.contains(kind)).count();
    if all.values().all(|document| *document == Contributions::default()) {
        assert_eq!(of(":structures") + of(":derived") + of(":shared:"), 0, "{dump:?}");
    }
}

async fn compare(model: &RedisReadModel, all: &BTreeMap<u8, Contributions>) {
    for n in 0..2 {
        let (s, l, c) = (format!("s{n}"), format!("l{n}"), format!("c{n}"));
        let expected: BTreeSet<String> =
            all.values().flat_map(|d| &d.sets).filter(|(name, _)| *name == s).map(|(_, m)| m.clone()).collect();
        let set = model.set("summary", &s).unwrap();
        assert_eq!(set.members().await.unwrap(), expected);
        assert_eq!(set.len().await.unwrap(), expected.len() as u64);
        let mut best: BTreeMap<String, f64> = BTreeMap::new();
        for (_, member, score) in all.values().flat_map(|d| &d.scores).filter(|(name, ..)| *name == l) {
            best.entry(member.clone()).and_modify(|best| *best = best.max(*score)).or_insert(*score);
        }
        let mut ranked: Vec<(String, f64)> = best.into_iter().collect();
        ranked.sort_by(|(m, s), (n, t)| t.total_cmp(s).then_with(|| n.cmp(m)));
        assert_eq!(top(model, &l).await, ranked);
        let board = model.leaderboard("summary", &l).unwrap();
        let first: Vec<_> = board.top(2).await.unwrap().into_iter().map(|scored| scored.member).collect();
        assert!(ranked.iter().take(2).map(|(member, _)| member).eq(&first));
        for member in ["m0", "m1", "m2", "m3"] {
            assert_eq!(set.contains(member).await.unwrap(), expected.contains(member));
            let score = ranked.iter().find(|(m, _)| m == member).map(|(_, score)| *score);
            assert_eq!(board.score(member).await.unwrap(), score);
        }
        let sum: i64 = all.values().flat_map(|d| &d.counts).filter(|(name, _)| *name == c).map(|(_, n)| n).sum();
        assert_eq!(count(model, &c).await, sum);
    }
    let hashes = model.hashes("summary").unwrap();
    for key in 0..5_u8 {
        let expected = all.get(&key).and_then(|document| document.hash.clone()).filter(|hash| !hash.is_empty());
        assert_eq!(hashes.get(&format!("k{key}")).await.unwrap(), expected);
    }
}

async fn replay(batches: Vec<Vec<Change>>, partitions: u16) {
    let scratch = Scratch::new();
    let model = contribute(scratch.model().await);
    let partitions = Partitions::new(partitions).unwrap();
    let generation = model.open(&summary(), partitions).await.unwrap();
    let live = LiveGeneration { generation, partitions };
    let targets: Vec<Target> =
        live.partitions.all().map(|partition| Target { partition, ..target(generation) }).collect();
    for target in &targets {
        model.fence(target, token(1)).await.unwrap();
    }
    let mut all: BTreeMap<u8, Contributions> = BTreeMap::new();
    for (at, changes) in batches.into_iter().enumerate() {
        let at = at as u64;
        let mut writes: BTreeMap<u8, Option<Contributions>> = BTreeMap::new();
        writes.extend(changes);
        for (key, document) in &writes {
            match document {
                Some(document) => all.insert(*key, document.clone()),
                None => all.remove(key),
            };
        }
        for target in &targets {
            let documents = writes
                .iter()
                .map(|(key, document)| DocumentWrite {
                    key: format!("k{key}"),
                    document: document.as_ref().map(|document| Payload::encode(document).unwrap()),
                    position: position(at + 1),
                })
                .filter(|write| partitions.of(&write.key) == target.partition)
                .collect();
            let batch = Batch { documents, ..batch(at, at + 1, Vec::new()) };
            model.apply(target, batch.clone()).await.unwrap();
            model.apply(target, batch).await.unwrap();
        }
        compare(&model, &all).await;
        check(&scratch.dump(), &all);
    }
}

#[test]
fn whatever_documents_become_structures_are_what_they_say_together() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let change = (0..5_u8, proptest::option::weighted(0.8, documents()));
    let batches = proptest::collection::vec(proptest::collection::vec(change, 1..5), 1..8);
    let mut runner = TestRunner::new(Config { cases: 40, failure_persistence: None, ..Config::default() });
    runner
        .run(&(batches, 1..4_u16), |(batches, partitions)| {
            runtime.block_on(replay(batches, partitions));
            Ok(())
        })
        .unwrap();
}

#[tokio::test]
async fn ranks_and_ranges_go_over_all_partitions() {
    let scratch = Scratch::new();
    let model = contribute(scratch.model().await);
    let partitions = Partitions::new(3).unwrap();
    let generation = model.open(&summary(), partitions).await.unwrap();
    let writes: Vec<DocumentWrite> =
        (0..30).map(|n| write(&format!("k{n}"), &format!(r#"{{"scores":[["l","m{n:02}",{}]]}}"#, n / 2), 5)).collect();
    for partition in partitions.all() {
        let target = Target { partition, ..target(generation) };
        model.fence(&target, token(1)).await.unwrap();
        let mine = writes.iter().filter(|write| partitions.of(&write.key) == partition).cloned().collect();
        model.apply(&target, batch(0, 5, mine)).await.unwrap();
    }
    let board = model.leaderboard("summary", "l").unwrap();
    let names = |found: Vec<cqrs_projections::Scored>| found.into_iter().map(|s| s.member).collect::<Vec<_>>();
    assert_eq!(names(board.top(3).await.unwrap()), ["m29", "m28", "m27"]);
    assert_eq!(names(board.top(0).await.unwrap()), [""; 0]);
    assert_eq!(names(board.range(2.0..4.0, 10).await.unwrap()), ["m07", "m06", "m05", "m04"]);
    assert_eq!(names(board.range(2.0..=3.0, 3).await.unwrap()), ["m07", "m06", "m05"]);
    assert_eq!(board.rank("m29").await.unwrap(), Some(1));
    assert_eq!(board.rank("m28").await.unwrap(), Some(1), "the same score is the same rank");
    assert_eq!(board.rank("m00").await.unwrap(), Some(29));
    assert_eq!(board.rank("nobody").await.unwrap(), None);
}
