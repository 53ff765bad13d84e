//! What other programs may rely on: the names of the keys and what they hold.

use cqrs_core::{LiveGeneration, Partitions, ReadModel, ReadModelError};
use cqrs_projections::RedisReadModel;

use super::derived::{CHANGED, WAS, contribute};
use super::scratch::{Scratch, batch, load, owned, removal, stored, summary, url, write};

#[tokio::test]
async fn the_keys_are_as_documented() {
    let scratch = Scratch::new();
    let model = scratch.model().await;
    let target = owned(&model).await;
    let documents = vec![write("ACC-1", "{\"balance\": 300000}", 8), write("ACC-2", "{\"balance\": 0}", 9)];
    model.apply(&target, batch(0, 9, documents)).await.unwrap();
    model.begin(&summary(), Partitions::ONE).await.unwrap();

    let dump: String = scratch.dump().iter().map(|(key, held)| format!("{key} = {held}\n")).collect();
    assert_eq!(dump, include_str!("layout.txt"));
}

#[tokio::test]
async fn a_prefix_keeps_read_models_apart() {
    let (one, other) = (Scratch::new(), Scratch::new());
    one.model().await.open(&summary(), Partitions::ONE).await.unwrap();
    assert_eq!(other.model().await.live(&summary()).await.unwrap(), None);
}

#[tokio::test]
async fn a_bad_prefix_or_address_is_refused_when_connecting() {
    for connect in [RedisReadModel::connect(url()).prefix("a{b"), RedisReadModel::connect("http://localhost/")] {
        let error = connect.await.unwrap_err();
        assert!(matches!(error, ReadModelError::Permanent(_)), "{error:?}");
    }
}

const RIGHTS: &str = "+evalsha +script|load +hget +hmget +hset +hdel +hkeys +hexists +hincrby +mget +mset +unlink +type \
                      +sadd +srem +sscan";

const RIGHTS_TO_DERIVE: &str = " +time +get +set +hgetall +hlen +sismember +smembers +scard +zadd +zrem +zscan +zcard +zcount +zscore \
                                +zrangebyscore +zrevrangebyscore +pexpireat +persist";

async fn restricted(scratch: &Scratch, rights: &str) -> RedisReadModel {
    let mut create = vec!["ACL", "SETUSER", &scratch.prefix, "on", ">secret", "~{*"];
    create.extend(rights.split_ascii_whitespace());
    let _: () = scratch.command(&create);
    let url = url().replace("redis://", &format!("redis://{}:secret@", scratch.prefix));
    RedisReadModel::connect(url).prefix(&scratch.prefix).await.unwrap()
}

#[tokio::test]
async fn a_user_who_derives_needs_the_documented_rights_only() {
    let scratch = Scratch::new();
    let model = contribute(restricted(&scratch, &format!("{RIGHTS}{RIGHTS_TO_DERIVE}")).await);
    let first = owned(&model).await;
    for (at, document) in
        [WAS, CHANGED, r#"{"ends":9000000000000,"sets":[["e","x"]],"hash":{}}"#, "{}"].into_iter().enumerate()
    {
        let (at, other) = (at as u64, at.to_string());
        model
            .apply(&first, batch(at, at + 1, vec![write("k", document, at + 1), write(&other, WAS, at + 1)]))
            .await
            .unwrap();
        model.apply(&first, batch(at + 1, at + 1, vec![])).await.unwrap();
    }
    assert!(model.set("summary", "s").unwrap().contains("a").await.unwrap());
    assert_eq!(model.set("summary", "s").unwrap().members().await.unwrap().len(), 2);
    assert_eq!(model.leaderboard("summary", "l").unwrap().rank("a").await.unwrap(), Some(1));
    assert_eq!(model.leaderboard("summary", "l").unwrap().top(5).await.unwrap().len(), 2);
    assert_eq!(model.counter("summary", "c").unwrap().get().await.unwrap(), 4);
    assert!(model.hashes("summary").unwrap().get("0").await.unwrap().is_some());
    let second = model.begin(&summary(), Partitions::ONE).await.unwrap();
    model.swap(&summary(), second).await.unwrap();
    model.drop_generation(&summary(), first.generation).await.unwrap();
}

#[tokio::test]
async fn a_user_needs_the_documented_rights_only() {
    let scratch = Scratch::new();
    let model = restricted(&scratch, RIGHTS).await;
    let first = owned(&model).await;
    model.apply(&first, batch(0, 5, vec![write("a", "1", 5), write("b", "1", 5)])).await.unwrap();
    model.apply(&first, batch(5, 6, vec![removal("a", 6)])).await.unwrap();
    assert_eq!(load(&model, &first, &["a", "b"]).await, [None, stored("1", 5)]);
    let second = model.begin(&summary(), Partitions::ONE).await.unwrap();
    model.swap(&summary(), second).await.unwrap();
    model.drop_generation(&summary(), first.generation).await.unwrap();
    assert_eq!(model.generations(&summary()).await.unwrap(), [second]);
}

#[tokio::test]
async fn a_generation_of_before_there_were_several_partitions_has_one() {
    let scratch = Scratch::new();
    let model = scratch.model().await;
    let target = owned(&model).await;
    let _: u64 = scratch.command(&["HDEL", "{summary}:generations", "partitions:1"]);
    let live = LiveGeneration { generation: target.generation, partitions: Partitions::ONE };
    assert_eq!(model.live(&summary()).await.unwrap(), Some(live));
    assert_eq!(model.open(&summary(), Partitions::ONE).await.unwrap(), target.generation);
    let error = model.open(&summary(), Partitions::new(2).unwrap()).await.unwrap_err();
    assert!(matches!(error, ReadModelError::Mismatch { .. }), "{error:?}");
}
