//! What is left of a generation that was dropped.

use cqrs_core::{Generation, Partitions, ReadModel, ReadModelError, Target};
use cqrs_projections::RedisReadModel;
use tokio::sync::mpsc;

use super::scratch::{Scratch, batch, load, owned, summary, target, token, write};

#[tokio::test]
async fn asking_for_what_never_was_writes_nothing() {
    let scratch = Scratch::new();
    let model = scratch.model().await;
    let nine = target(Generation::new(9));
    assert_eq!(model.live(&summary()).await.unwrap(), None);
    assert!(model.generations(&summary()).await.unwrap().is_empty());
    assert_eq!(model.checkpoint(&nine).await.unwrap(), (None, None));
    model.drop_generation(&summary(), nine.generation).await.unwrap();
    for error in [
        model.swap(&summary(), nine.generation).await.unwrap_err(),
        model.fence(&nine, token(1)).await.unwrap_err(),
        model.apply(&nine, batch(0, 5, vec![write("a", "1", 5)])).await.unwrap_err(),
    ] {
        assert!(matches!(error, ReadModelError::NotFound { generation } if generation == nine.generation), "{error:?}");
    }
    assert!(scratch.dump().is_empty());
}

#[tokio::test]
async fn a_dropped_generation_leaves_only_a_mark_for_each_partition() {
    let scratch = Scratch::new();
    let model = scratch.model().await;
    model.open(&summary(), Partitions::ONE).await.unwrap();
    let dropped = target(model.begin(&summary(), Partitions::ONE).await.unwrap());
    let last = Target { partition: 65_535, ..dropped.clone() };
    for partition in [&dropped, &last] {
        model.fence(partition, token(1)).await.unwrap();
        let many = (0..1_500).map(|n| write(&format!("k{n}"), "1", 5)).collect();
        model.apply(partition, batch(0, 5, many)).await.unwrap();
    }

    model.drop_generation(&summary(), dropped.generation).await.unwrap();
    for partition in [&dropped, &last] {
        let error = model.fence(partition, token(2)).await.unwrap_err();
        assert!(matches!(error, ReadModelError::NotFound { .. }), "{error:?}");
        assert_eq!(model.checkpoint(partition).await.unwrap(), (None, None));
    }
    let left: Vec<_> = scratch.dump().iter().map(|(key, held)| format!("{key} = {held}")).collect();
    assert_eq!(
        left,
        [
            r#"{summary:2:0}:checkpoint = hash {"dropped": "1"}"#,
            r#"{summary:2:65535}:checkpoint = hash {"dropped": "1"}"#,
            r#"{summary}:generations = hash {"generation:1": "open", "highest": "2", "live": "1", "partitions:1": "1"}"#,
        ]
    );
}

#[tokio::test]
async fn a_drop_that_was_cut_short_is_finished_by_the_next() {
    let scratch = Scratch::new();
    let model = scratch.model().await;
    model.open(&summary(), Partitions::ONE).await.unwrap();
    let half = target(model.begin(&summary(), Partitions::ONE).await.unwrap());
    model.fence(&half, token(1)).await.unwrap();
    model.apply(&half, batch(0, 5, vec![write("a", "1", 5)])).await.unwrap();
    // As far as a drop comes that dies after its first step.
    let _: u64 = scratch.command(&["HSET", "{summary}:generations", "generation:2", "dropping"]);

    assert_eq!(model.generations(&summary()).await.unwrap().len(), 2, "whoever cleans up finds it");
    let error = model.swap(&summary(), half.generation).await.unwrap_err();
    assert!(matches!(error, ReadModelError::NotFound { .. }), "{error:?}");
    let error = model.fence(&Target { partition: 1, ..half.clone() }, token(1)).await.unwrap_err();
    assert!(matches!(error, ReadModelError::NotFound { .. }), "it gets no new partition: {error:?}");

    model.drop_generation(&summary(), half.generation).await.unwrap();
    assert_eq!(load(&model, &half, &["a"]).await, [None]);
    assert_eq!(model.generations(&summary()).await.unwrap(), [Generation::FIRST]);
}

async fn write_until_refused(
    model: RedisReadModel,
    target: Target,
    progress: mpsc::UnboundedSender<()>,
) -> ReadModelError {
    if let Err(error) = model.fence(&target, token(1)).await {
        return error;
    }
    for at in 0.. {
        let _ = progress.send(());
        let next = batch(at, at + 1, vec![write(&format!("k{at}"), "1", at + 1)]);
        if let Err(error) = model.apply(&target, next).await {
            return error;
        }
    }
    unreachable!("it is dropped before that")
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_that_come_while_a_generation_is_dropped_leave_nothing_behind() {
    let scratch = Scratch::new();
    let model = scratch.model().await;
    model.open(&summary(), Partitions::ONE).await.unwrap();
    for written in 0..20 {
        let generation = model.begin(&summary(), Partitions::ONE).await.unwrap();
        let (progress, mut made) = mpsc::unbounded_channel();
        let writers: Vec<_> = (0..16)
            .map(|partition| {
                let (model, target) = (model.clone(), Target { partition, ..target(generation) });
                tokio::spawn(write_until_refused(model, target, progress.clone()))
            })
            .collect();
        // The drop comes before the first write, among the first takeovers, among the batches.
        for _ in 0..written * 3 {
            made.recv().await;
        }
        model.drop_generation(&summary(), generation).await.unwrap();
        for writer in writers {
            let error = writer.await.unwrap();
            assert!(matches!(error, ReadModelError::NotFound { .. }), "{error:?}");
        }
    }
    let dump = scratch.dump();
    let mut left = dump.iter().filter(|(_, held)| !held.contains("dropped"));
    assert_eq!(left.next().map(|(key, _)| key.as_str()), Some("{summary}:generations"));
    assert_eq!(left.next(), None);
}

#[tokio::test]
async fn a_registry_of_another_type_is_corrupt() {
    let scratch = Scratch::new();
    let model = scratch.model().await;
    let target = owned(&model).await;
    let _: () = scratch.command(&["SET", "{summary}:generations", "foreign"]);
    for error in [
        model.open(&summary(), Partitions::ONE).await.unwrap_err(),
        model.live(&summary()).await.unwrap_err(),
        model.begin(&summary(), Partitions::ONE).await.unwrap_err(),
        model.generations(&summary()).await.unwrap_err(),
        model.swap(&summary(), target.generation).await.unwrap_err(),
        model.drop_generation(&summary(), target.generation).await.unwrap_err(),
    ] {
        assert!(matches!(error, ReadModelError::Corrupt { .. }), "{error:?}");
    }
}
