//! Unique keys: held by one stream at a time, from the event that takes them to the one that releases them.

use std::collections::HashMap;

use cqrs_core::{Append, AppendError, ClaimKey, Claims, ExpectedVersion, InvalidAppend, NewEvent, StreamName};

use super::parallel::together;
use super::{
    Store, append, assert_conflict, assert_repeats, event, event_type, exact, ids, json, log, new_ids, refuse, stream,
    stream_of,
};

const A: &str = "user-a";
const B: &str = "user-b";

fn email(value: &str) -> ClaimKey {
    ClaimKey::new("email", value).expect("the suite names its keys well")
}

fn ann() -> ClaimKey {
    email("ann@example.com")
}

async fn write(store: &Store, event: NewEvent) {
    append(store, Append::new(vec![event])).await;
}

#[track_caller]
fn assert_claimed(error: &AppendError, wanted: &ClaimKey, by: &str) {
    assert!(
        matches!(error, AppendError::Claimed { key, holder } if key == wanted && holder.as_str() == by),
        "{wanted} is held by {by}; but it is {error:?}"
    );
}

async fn refused(store: &Store, event: NewEvent, key: &ClaimKey, holder: &str) {
    assert_claimed(&refuse(store, Append::new(vec![event])).await, key, holder);
}

/// Who holds what, by the log alone. No key is ever taken from the stream that holds it.
async fn holders(store: &Store) -> HashMap<ClaimKey, StreamName> {
    let mut holders = HashMap::new();
    for event in log(store).await {
        let claims = event.claims().expect("metadata decodes");
        for key in &claims.released {
            if holders.get(key) == Some(&event.stream) {
                holders.remove(key);
            }
        }
        for key in claims.taken {
            let holder = holders.entry(key).or_insert_with(|| event.stream.clone());
            assert_eq!(*holder, event.stream, "a key is held by one stream at a time");
        }
    }
    holders
}

pub async fn a_key_is_held_by_the_stream_that_took_it(store: Store) {
    write(&store, event(A).claiming(ann())).await;
    refused(&store, event(B).claiming(ann()), &ann(), A).await;
    write(&store, event(A)).await;
    refused(&store, event(B).claiming(ann()), &ann(), A).await;
    write(&store, event(B)).await;
    assert_eq!(holders(&store).await, HashMap::from([(ann(), stream(A))]));
}

pub async fn a_stream_may_take_again_what_it_holds(store: Store) {
    write(&store, event(A).claiming(ann())).await;
    write(&store, event(A).claiming(ann()).claiming(ann())).await;
    write(&store, event(A).releasing(ann())).await;
    write(&store, event(B).claiming(ann())).await;
}

pub async fn a_key_that_was_released_is_free(store: Store) {
    write(&store, event(A).claiming(ann())).await;
    write(&store, event(A).releasing(ann())).await;
    write(&store, event(B).claiming(ann())).await;
    refused(&store, event(A).claiming(ann()), &ann(), B).await;
    write(&store, event(B).releasing(ann())).await;
    write(&store, event(A).claiming(ann())).await;
    refused(&store, event(B).claiming(ann()), &ann(), A).await;
}

pub async fn releasing_what_the_stream_does_not_hold_changes_nothing(store: Store) {
    write(&store, event(B).releasing(ann())).await;
    write(&store, event(A).claiming(ann())).await;
    write(&store, event(B).releasing(ann())).await;
    refused(&store, event(B).claiming(ann()), &ann(), A).await;
    refused(&store, event(B).releasing(ann()).claiming(ann()), &ann(), A).await;
}

pub async fn an_event_releases_before_it_takes(store: Store) {
    write(&store, event(A).claiming(ann())).await;
    write(&store, event(A).claiming(ann()).releasing(ann())).await;
    refused(&store, event(B).claiming(ann()), &ann(), A).await;
    let bea = email("bea@example.com");
    write(&store, event(A).releasing(ann()).claiming(bea.clone())).await;
    refused(&store, event(B).claiming(bea.clone()), &bea, A).await;
    write(&store, event(B).claiming(ann())).await;
}

pub async fn the_events_of_an_append_take_and_release_in_order(store: Store) {
    write(&store, event(A).claiming(ann())).await;
    let late = vec![event(B).claiming(ann()), event(A).releasing(ann())];
    assert_claimed(&refuse(&store, Append::new(late)).await, &ann(), A);
    append(&store, Append::new(vec![event(A).releasing(ann()), event(B).claiming(ann())])).await;
    refused(&store, event(A).claiming(ann()), &ann(), B).await;
    let bea = email("bea@example.com");
    let passing = [event(A).claiming(bea.clone()), event(A).releasing(bea.clone()), event(B).claiming(bea.clone())];
    append(&store, Append::new(passing.to_vec())).await;
    refused(&store, event(A).claiming(bea.clone()), &bea, B).await;
    append(&store, Append::new(vec![event(B).releasing(bea.clone()), event(B).claiming(bea.clone())])).await;
    refused(&store, event(A).claiming(bea.clone()), &bea, B).await;
    let gone = email("gone@example.com");
    append(&store, Append::new(vec![event(A).claiming(gone.clone()), event(A).releasing(gone.clone())])).await;
    write(&store, event(B).claiming(gone)).await;
}

pub async fn an_append_that_is_refused_for_one_key_takes_and_releases_none(store: Store) {
    let (free, held, own) = (email("free"), email("held"), email("own"));
    write(&store, event(A).claiming(held.clone())).await;
    write(&store, event(B).claiming(own.clone())).await;
    let both = event(B).releasing(own.clone()).claiming(free.clone()).claiming(held.clone());
    refused(&store, both, &held, A).await;
    let later = vec![event(B).releasing(own.clone()).claiming(free.clone()), event(B).claiming(held.clone())];
    assert_claimed(&refuse(&store, Append::new(later)).await, &held, A);
    refused(&store, event(A).claiming(own.clone()), &own, B).await;
    write(&store, event("user-c").claiming(free)).await;
}

pub async fn keys_of_other_scopes_and_other_letters_are_other_keys(store: Store) {
    write(&store, event(A).claiming(ann())).await;
    let name = ClaimKey::new("name", "ann@example.com").expect("the suite names its keys well");
    for (number, key) in
        [name, email("Ann@example.com"), email("ann@example.com "), email("ann")].into_iter().enumerate()
    {
        write(&store, event(&format!("user-{number}")).claiming(key)).await;
    }
}

pub async fn an_event_takes_many_keys_of_the_longest_values(store: Store) {
    let key = |number: usize| email(&format!("{number}{}", "é".repeat(500)));
    let all = (0..500).map(key).fold(event(A), NewEvent::claiming);
    write(&store, all).await;
    for number in [0, 250, 499] {
        refused(&store, event(B).claiming(key(number)), &key(number), A).await;
    }
    write(&store, event(B).claiming(key(500))).await;
}

pub async fn a_conflict_is_told_before_a_held_key(store: Store) {
    write(&store, event(A).claiming(ann())).await;
    let taking = |expected| Append::new(vec![event(B).claiming(ann())]).expect(stream(B), expected);
    assert_conflict(&refuse(&store, taking(exact(1))).await, B, exact(1), None);
    assert_claimed(&refuse(&store, taking(ExpectedVersion::NoStream)).await, &ann(), A);
}

pub async fn a_claiming_append_is_repeated_whoever_holds_the_key_by_now(store: Store) {
    let taking = Append::new(vec![event(A).claiming(ann())]).expect(stream(A), ExpectedVersion::NoStream);
    let first = append(&store, taking.clone()).await;
    assert_repeats(&append(&store, taking.clone()).await, &first);
    write(&store, event(A).releasing(ann())).await;
    assert_repeats(&append(&store, taking.clone()).await, &first);
    write(&store, event(B).claiming(ann())).await;
    assert_repeats(&append(&store, taking).await, &first);
    refused(&store, event(A).claiming(ann()), &ann(), B).await;
}

pub async fn two_streams_that_take_one_key_in_one_append_are_malformed(store: Store) {
    let both = Append::new(vec![event(A).claiming(ann()), event(A), event(B).claiming(ann())]);
    let AppendError::Invalid(error) = refuse(&store, both).await else { unreachable!("it can never be written") };
    assert_eq!(error, InvalidAppend::RepeatedClaim { key: ann(), streams: [stream(A), stream(B)] });
    write(&store, event(B).claiming(ann())).await;
}

pub async fn an_unclaimed_key_is_a_condition_that_takes_nothing(store: Store) {
    let guarded = |to: &str| Append::new(vec![event(to)]).expect_unclaimed(ann());
    append(&store, guarded(A)).await;
    append(&store, guarded(B)).await;
    write(&store, event(A).claiming(ann())).await;
    for to in [A, B] {
        assert_claimed(&refuse(&store, guarded(to)).await, &ann(), A);
    }
    write(&store, event(A).releasing(ann())).await;
    let taking = Append::new(vec![event(B).claiming(ann())]).expect_unclaimed(ann());
    let first = append(&store, taking.clone()).await;
    assert_repeats(&append(&store, taking).await, &first);
}

pub async fn the_metadata_keeps_the_keys_and_not_their_values(store: Store) {
    let bea = email("bea@example.com");
    let mut new = event(A).claiming(ann()).releasing(bea.clone());
    new.metadata.actor = Some("teller-7".to_owned());
    // Of another event: what is claimed is said by the event itself.
    let mut copied = event(B);
    copied.metadata.claims = new.claims.clone();
    append(&store, Append::new(vec![new.clone(), copied])).await;
    let recorded = log(&store).await;
    let metadata = recorded[0].metadata().expect("metadata decodes");
    assert_eq!((&metadata.claims, metadata.actor.as_deref()), (&new.claims, Some("teller-7")));
    assert_eq!((&new.claims.taken, &new.claims.released), (&vec![ann()], &vec![bea]));
    assert_eq!(recorded[0].claims().expect("metadata decodes"), new.claims);
    assert!(!recorded[0].metadata.as_str().contains("example"), "{:?}", recorded[0].metadata);
    assert_eq!(recorded[1].claims().expect("metadata decodes"), Claims::default());
}

pub async fn of_fifty_parallel_sign_ups_one_wins_and_the_others_learn_who_did(store: Store) {
    let writers = (0..100).map(|number| {
        let store = store.clone();
        async move {
            let to = format!("user-{number}");
            let new = if number % 2 == 0 { event(&to).claiming(ann()) } else { event(&to) };
            let append = Append::new(vec![new, event(&to)]).expect(stream(&to), ExpectedVersion::NoStream);
            (number, store.append(append).await)
        }
    });
    let answers = together(writers).await;
    let holders = holders(&store).await;
    let holder = holders.get(&ann()).expect("one of them has won").as_str();
    let mut won = 0;
    for (number, answer) in answers {
        match answer {
            Ok(_) if number % 2 == 0 => won += 1,
            Ok(_) => {}
            Err(error) => {
                assert_eq!(number % 2, 0, "who claims nothing is not refused: {error:?}");
                assert_claimed(&error, &ann(), holder);
            }
        }
    }
    assert_eq!(won, 1);
    assert_eq!(log(&store).await.len(), 2 * 51);
    write(&store, event(holder).releasing(ann())).await;
    write(&store, event("user-late").claiming(ann())).await;
}

pub async fn parallel_duplicates_of_one_claiming_append_all_succeed_and_write_once(store: Store) {
    let new = vec![event(A).claiming(ann())];
    let duplicates = (0..20).map(|_| {
        let (store, new) = (store.clone(), new.clone());
        async move { append(&store, Append::new(new)).await }
    });
    let answers = together(duplicates).await;
    assert_eq!(answers.iter().filter(|answer| !answer.repeated).count(), 1, "one of them has written");
    assert_eq!(ids(&stream_of(&store, A).await), new_ids(&new));
}

pub async fn a_key_that_goes_from_hand_to_hand_is_never_in_two(store: Store) {
    let writers = (0..8).map(|writer| {
        let store = store.clone();
        async move {
            let to = format!("user-{writer}");
            let mut held = 0;
            while held < 5 {
                match store.append(Append::new(vec![event(&to).claiming(ann())])).await {
                    Ok(_) => {
                        held += 1;
                        write(&store, event(&to).releasing(ann())).await;
                    }
                    Err(AppendError::Claimed { holder, .. }) => assert_ne!(holder.as_str(), to),
                    Err(error) => unreachable!("it is held or free: {error:?}"),
                }
            }
        }
    });
    together(writers).await;
    assert_eq!(holders(&store).await, HashMap::new());
    assert_eq!(log(&store).await.len(), 8 * 5 * 2);
}

pub async fn claims_that_are_refused_do_not_harm_their_neighbours(store: Store) {
    write(&store, event(A).claiming(ann())).await;
    let writers = (0..60).map(|number| {
        let store = store.clone();
        async move {
            let to = format!("user-{number}");
            let append = match number % 4 {
                0 => Append::new(vec![event(&to).claiming(email(&to))]),
                1 => Append::new(vec![event(&to), event(&to).claiming(email(&to)).claiming(ann())]),
                2 => {
                    let broken = NewEvent { payload: json("{"), ..event(&to) };
                    Append::new(vec![broken.claiming(email(&to))])
                }
                _ => Append::new(vec![event(&to)]),
            };
            (number % 4, store.append(append).await)
        }
    });
    for (kind, answer) in together(writers).await {
        match kind {
            1 => assert_claimed(&answer.expect_err("the key is held"), &ann(), A),
            2 => assert!(matches!(answer, Err(AppendError::Invalid(InvalidAppend::Payload { .. }))), "{answer:?}"),
            _ => assert!(answer.is_ok(), "append of kind {kind}: {answer:?}"),
        }
    }
    assert_eq!(holders(&store).await.len(), 1 + 15);
    assert_eq!(log(&store).await.len(), 1 + 30);
}

/// On a store whose database refuses events of the type `account.poisoned.v1`, after the rules gave them the key.
pub async fn a_key_that_the_database_refused_to_an_append_goes_to_the_next_one(store: Store) {
    let appends = (0..60).map(|number| {
        let mut new = event(&format!("user-{number}"));
        match number {
            7 => new.event_type = event_type("account.poisoned.v1"),
            number if number % 10 != 8 => return store.append(Append::new(vec![new])),
            _ => {}
        }
        store.append(Append::new(vec![new.claiming(ann())]))
    });
    // Polled by one task, so that all of them are sent before the first is answered.
    let outcomes = futures::future::join_all(appends).await;
    let holders = holders(&store).await;
    let holder = holders.get(&ann()).expect("one of the others has the key").as_str();
    for (number, outcome) in outcomes.into_iter().enumerate() {
        let is_holder = holder == format!("user-{number}");
        match outcome {
            Ok(_) => assert!(number % 10 != 8 || is_holder, "append {number}"),
            Err(AppendError::Permanent(_)) => assert_eq!(number, 7),
            Err(error) => {
                assert!(number % 10 == 8 && !is_holder, "append {number}: {error:?}");
                assert_claimed(&error, &ann(), holder);
            }
        }
    }
    assert_eq!(log(&store).await.len(), 60 - 1 - 5);
}
