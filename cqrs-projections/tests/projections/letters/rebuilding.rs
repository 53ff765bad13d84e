use cqrs_core::{DeadLetterCount, Generation};
use cqrs_projections::Replay;

use super::{World, count, letter, of, reach, replay, settled, waiting};
use crate::faulty::Fault;
use crate::ledger::{append, append_some, paid};

#[tokio::test]
async fn a_rebuild_parks_what_it_cannot_fold_in_the_new_generation() {
    for partitions in [1, 3] {
        let world = World::of(partitions, [13]);
        let running = world.start().await;
        append_some(&world.store, 0..5).await;
        append(&world.store, vec![paid("a", 13)]).await;
        let last = append_some(&world.store, 5..10).await;
        reach(&running, last).await;
        let before = waiting(&running, "a").await;
        let documents = world.documents().await;
        running.rebuild(super::NAME).batch(4).await.unwrap();
        assert_eq!(world.documents().await, documents);
        assert_eq!(waiting(&running, "a").await, before, "those of the old generation are gone with it");
        let letters = of(&running);
        let listed = letters.list(&letters.all()).await.unwrap().letters;
        assert!(listed.iter().all(|letter| letter.target.generation == Generation::new(2)));

        let last = append_some(&world.store, 10..12).await;
        reach(&running, last).await;
        world.projector.flaws.mend(13);
        replay(&running, Replay::All).await;
        world.assert_right().await;
    }
}

#[tokio::test]
async fn a_rebuild_with_a_mended_projector_needs_no_letters() {
    let world = World::new([13]);
    let running = world.start().await;
    let last = append(&world.store, vec![paid("a", 1), paid("a", 13), paid("a", 2)]).await;
    reach(&running, last).await;
    world.projector.flaws.mend(13);
    running.rebuild(super::NAME).await.unwrap();
    assert_eq!(count(&running).await, DeadLetterCount::default());
    world.assert_right().await;
    let last = append(&world.store, vec![paid("a", 3)]).await;
    reach(&running, last).await;
    world.assert_right().await;
}

#[tokio::test]
async fn a_rebuild_folds_what_was_discarded_again_and_the_record_stays() {
    let world = World::new([13]);
    let running = world.start().await;
    let refused = append(&world.store, vec![paid("a", 1), paid("a", 13)]).await;
    reach(&running, refused).await;
    let first = letter(&running, "a", refused).await.id;
    of(&running).discard(first, "a mistake").await.unwrap();
    settled(&running).await;
    running.rebuild(super::NAME).await.unwrap();
    let last = append(&world.store, vec![paid("a", 2)]).await;
    reach(&running, last).await;
    assert_eq!(count(&running).await.letters, 2);
    assert!(of(&running).inspect(first).await.unwrap().letter.discarded.is_some());
}

#[tokio::test]
async fn a_rebuild_that_fails_drops_its_letters_and_leaves_those_of_the_live_generation() {
    let world = World::new([13]);
    let running = world.start().await;
    let last = append(&world.store, vec![paid("a", 1), paid("a", 13)]).await;
    reach(&running, last).await;
    let before = waiting(&running, "a").await;
    world.sink.faults.next("swap", [Fault::Permanent]);
    running.rebuild(super::NAME).await.unwrap_err();
    assert_eq!(waiting(&running, "a").await, before);
    let last = append(&world.store, vec![paid("a", 2)]).await;
    reach(&running, last).await;
    world.projector.flaws.mend(13);
    replay(&running, Replay::All).await;
    world.assert_right().await;
}

#[tokio::test]
async fn a_rebuild_that_fails_on_the_way_comes_to_the_same_letters() {
    for fault in [Fault::Before, Fault::After, Fault::Torn] {
        let world = World::of(2, [13]);
        let running = world.start().await;
        append_some(&world.store, 0..4).await;
        append(&world.store, vec![paid("a", 13), paid("b", 13)]).await;
        let last = append_some(&world.store, 4..9).await;
        reach(&running, last).await;
        let before = (waiting(&running, "a").await, waiting(&running, "b").await);
        world.sink.faults.next("fill", [Fault::None, fault, Fault::None, fault]);
        world.letters.faults.next("keep", [fault, Fault::None, fault]);
        running.rebuild(super::NAME).batch(5).await.unwrap();
        assert_eq!((waiting(&running, "a").await, waiting(&running, "b").await), before, "{fault:?}");
        world.projector.flaws.mend(13);
        replay(&running, Replay::All).await;
        world.assert_right().await;
    }
}

#[tokio::test]
async fn a_rebuild_with_parked_documents_is_compared_as_any_other() {
    for partitions in [1, 3] {
        let world = World::of(partitions, [13]);
        let running = world.start().await;
        append_some(&world.store, 0..5).await;
        append(&world.store, vec![paid("a", 13), paid("b", 13)]).await;
        let last = append_some(&world.store, 5..10).await;
        reach(&running, last).await;
        let same = running.rebuild(super::NAME).batch(4).compare().await.unwrap().differences.unwrap();
        assert_eq!((same.changed, same.removed, same.added), (0, 0, 0), "{same}");

        world.projector.flaws.mend(13);
        let mended = running.rebuild(super::NAME).batch(4).compare().await.unwrap().differences.unwrap();
        assert_eq!((mended.changed, mended.removed), (2, 0), "{mended}");
        let last = append_some(&world.store, 10..11).await;
        assert!(reach(&running, last).await.dead_letters.is_empty());
        world.assert_right().await;
    }
}

#[tokio::test]
async fn a_rebuild_that_is_gone_on_with_keeps_its_letters() {
    let world = World::of(2, [13]);
    let running = world.start().await;
    append(&world.store, vec![paid("a", 13), paid("b", 13)]).await;
    let last = append_some(&world.store, 0..30).await;
    reach(&running, last).await;
    let before = (waiting(&running, "a").await, waiting(&running, "b").await);
    world.sink.faults.next("fill", [Fault::None; 5]);
    world.sink.faults.always("fill", Fault::Before);
    running.rebuild(super::NAME).batch(5).resume().await.unwrap_err();
    world.sink.faults.heal();
    let rebuilt = running.rebuild(super::NAME).batch(5).resume().await.unwrap();
    assert!(rebuilt.resumed_from.is_some());
    let last = append_some(&world.store, 30..31).await;
    reach(&running, last).await;
    let (a, b) = (waiting(&running, "a").await, waiting(&running, "b").await);
    assert!(a.starts_with(&before.0) && b.starts_with(&before.1), "{a:?} {b:?}");
    world.projector.flaws.mend(13);
    replay(&running, Replay::All).await;
    world.assert_right().await;
}
