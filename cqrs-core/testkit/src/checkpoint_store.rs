//! The contract of [`CheckpointStore`]: one function per behaviour, each on a store of its own.

use std::sync::Arc;

use cqrs_core::{
    Checkpoint, CheckpointStore, EventId, FencingToken, Generation, GlobalPosition, ProjectionName, StoreError, StoreId,
};

type Store = Arc<dyn CheckpointStore>;

fn reader(name: &str) -> ProjectionName {
    ProjectionName::new(name).expect("the suite names its readers well")
}

fn checkpoint(position: u64, token: u64) -> Checkpoint {
    Checkpoint {
        store_id: StoreId::from_uuid(EventId::new().as_uuid()),
        position: GlobalPosition::new(position),
        event_id: Some(EventId::new()),
        generation: Generation::FIRST,
        token: FencingToken::new(token),
    }
}

async fn load(store: &Store, name: &str) -> Option<Checkpoint> {
    store.load(&reader(name)).await.expect("checkpoints can be read")
}

async fn save(store: &Store, name: &str, checkpoint: Checkpoint) {
    store.save(&reader(name), checkpoint).await.expect("the checkpoint is saved");
}

async fn refuse(store: &Store, name: &str, checkpoint: Checkpoint) -> StoreError {
    let before = load(store, name).await;
    let error = store.save(&reader(name), checkpoint).await.expect_err("the checkpoint is refused");
    assert_eq!(load(store, name).await, before, "what is refused changes nothing");
    error
}

#[track_caller]
fn assert_fenced(error: &StoreError, by: u64, from: u64) {
    assert!(
        matches!(error, StoreError::Fenced { stored, offered } if (*stored, *offered) == (by, from)),
        "fenced by {by} from {from}; but it is {error:?}"
    );
}

pub async fn a_reader_that_never_saved_has_no_checkpoint(store: Store) {
    assert_eq!(load(&store, "mailer").await, None);
}

pub async fn a_checkpoint_comes_back_whole(store: Store) {
    for saved in [
        Checkpoint { event_id: None, position: GlobalPosition::START, ..checkpoint(0, 1) },
        checkpoint(7, 1),
        Checkpoint { generation: Generation::new(u32::MAX), ..checkpoint(8, u64::MAX) },
        Checkpoint { position: GlobalPosition::MAX, ..checkpoint(0, u64::MAX) },
    ] {
        save(&store, "mailer", saved).await;
        assert_eq!(load(&store, "mailer").await, Some(saved));
    }
}

pub async fn a_checkpoint_moves_forward(store: Store) {
    for position in [1, 2, 50, 1_000] {
        let saved = checkpoint(position, 1);
        save(&store, "mailer", saved).await;
        assert_eq!(load(&store, "mailer").await, Some(saved));
    }
}

pub async fn saving_the_same_checkpoint_again_changes_nothing(store: Store) {
    let saved = checkpoint(7, 3);
    save(&store, "mailer", saved).await;
    save(&store, "mailer", saved).await;
    assert_eq!(load(&store, "mailer").await, Some(saved));
}

pub async fn a_checkpoint_never_goes_back(store: Store) {
    save(&store, "mailer", checkpoint(7, 3)).await;
    let error = refuse(&store, "mailer", checkpoint(6, 3)).await;
    assert!(matches!(error, StoreError::Permanent(_)), "{error:?}");
}

pub async fn a_newer_owner_does_not_go_back_either(store: Store) {
    save(&store, "mailer", checkpoint(7, 3)).await;
    let error = refuse(&store, "mailer", checkpoint(6, 4)).await;
    assert!(matches!(error, StoreError::Permanent(_)), "{error:?}");
}

pub async fn a_former_owner_is_fenced_wherever_it_stands(store: Store) {
    save(&store, "mailer", checkpoint(7, 3)).await;
    for position in [6, 7, 8, 1_000] {
        assert_fenced(&refuse(&store, "mailer", checkpoint(position, 2)).await, 3, 2);
    }
}

pub async fn a_newer_owner_goes_on_from_where_the_former_one_stood(store: Store) {
    save(&store, "mailer", checkpoint(7, 3)).await;
    let taken_over = checkpoint(7, 5);
    save(&store, "mailer", taken_over).await;
    assert_eq!(load(&store, "mailer").await, Some(taken_over));
    assert_fenced(&refuse(&store, "mailer", checkpoint(8, 4)).await, 5, 4);
    save(&store, "mailer", checkpoint(8, 5)).await;
}

pub async fn readers_do_not_mix(store: Store) {
    let names = ["mailer", "mailer2", "mail_er", "mail-er", "maile"];
    let saved: Vec<_> = names.into_iter().zip(1..).map(|(name, number)| (name, checkpoint(number, number))).collect();
    for (name, checkpoint) in saved.iter().rev() {
        save(&store, name, *checkpoint).await;
    }
    for (name, checkpoint) in saved {
        assert_eq!(load(&store, name).await, Some(checkpoint), "{name}");
    }
}

pub async fn parallel_saves_end_at_the_furthest(store: Store) {
    let tasks: Vec<_> = (1..=20)
        .map(|position| {
            let store = store.clone();
            // 7 and 20 have no common divisor: every position once, in a mixed order.
            let saved = checkpoint(position * 7 % 20 + 1, 1);
            tokio::spawn(async move { (saved, store.save(&reader("mailer"), saved).await) })
        })
        .collect();
    let mut furthest = None;
    for task in tasks {
        let (saved, result) = task.await.expect("saving does not panic");
        if saved.position.get() == 20 {
            furthest = Some(saved);
            assert!(result.is_ok(), "{result:?}");
        }
        assert!(matches!(result, Ok(()) | Err(StoreError::Permanent(_))), "{result:?}");
    }
    assert_eq!(load(&store, "mailer").await, furthest);
}
