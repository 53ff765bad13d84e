//! Relays: nothing is lost, keys keep their order, and only what cannot be published waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use cqrs_core::in_memory::InMemoryPublisher;
use cqrs_core::{Backoff, Failure, Message, MessageId, PublishError, Publisher, Topic};
use cqrs_postgres::{OutboxRelay, PgOutbox};
use futures::future::join_all;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use tokio::sync::Semaphore;

use super::append_in::until_waiting;
use super::database::Database;
use super::outbox::{commit, drained, first_by_key, fresh, message, text, texts, until_published};

/// Tries again at once, so that a test need not wait.
fn impatient(outbox: &PgOutbox, publisher: impl Publisher) -> OutboxRelay {
    outbox.relay(publisher).backoff(Backoff::new(Duration::from_millis(1), Duration::from_millis(5)))
}

fn away() -> PublishError {
    PublishError::Transient(Failure::new("the broker is away"))
}

/// Publishes, and gives the answers only as permits are there: what happens between publishing and marking.
#[derive(Debug)]
struct Slow {
    broker: InMemoryPublisher,
    answers: Arc<Semaphore>,
}

#[async_trait]
impl Publisher for Slow {
    async fn publish(&self, messages: &[Message]) -> Vec<Result<(), PublishError>> {
        let outcomes = self.broker.publish(messages).await;
        self.answers.acquire().await.unwrap().forget();
        outcomes
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_committed_is_published_and_what_is_rolled_back_never_is() {
    let (database, _store, outbox) = fresh().await;
    let broker = InMemoryPublisher::new();
    let relay = outbox.relay(broker.clone()).start();
    let mut connection = database.connection().await;
    for round in 0..10 {
        let mut transaction = connection.begin().await.unwrap();
        outbox.enqueue(&mut transaction, message("order-1", "rolled back")).await.unwrap();
        transaction.rollback().await.unwrap();
        commit(&outbox, &mut connection, vec![message("order-1", round)]).await;
        until_published(&broker, round + 1).await;
    }
    drained(&outbox).await;
    relay.stop().await;
    assert_eq!(texts(&broker.published()), ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_commits_late_is_published_though_later_ones_went_before() {
    let (database, _store, outbox) = fresh().await;
    let broker = InMemoryPublisher::new();
    let relay = outbox.relay(broker.clone()).start();
    let (mut one, mut other) = (database.connection().await, database.connection().await);
    let mut late = one.begin().await.unwrap();
    outbox.enqueue(&mut late, message("order-1", "late")).await.unwrap();
    commit(&outbox, &mut other, vec![message("order-2", "early")]).await;
    assert_eq!(texts(&until_published(&broker, 1).await), ["early"]);
    late.commit().await.unwrap();
    assert_eq!(texts(&until_published(&broker, 2).await), ["early", "late"]);
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_broker_is_away_everything_waits_for_it_and_nothing_is_parked() {
    let (database, _store, outbox) = fresh().await;
    let (is_up, refused) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let broker = InMemoryPublisher::new().answering({
        let (is_up, refused) = (Arc::clone(&is_up), Arc::clone(&refused));
        move |_| {
            if is_up.load(Ordering::Acquire) {
                return Ok(());
            }
            refused.fetch_add(1, Ordering::AcqRel);
            Err(away())
        }
    });
    let relay = impatient(&outbox, broker.clone()).attempts(2).start();
    let mut connection = database.connection().await;
    let mut expected = 0;
    for outage in 0..3 {
        for number in 0..20 {
            let messages = (0..5).map(|key| message(&format!("order-{key}"), outage * 20 + number)).collect();
            commit(&outbox, &mut connection, messages).await;
        }
        expected += 100;
        let wanted = refused.load(Ordering::Acquire) + 50;
        while refused.load(Ordering::Acquire) < wanted {
            tokio::task::yield_now().await;
        }
        let status = outbox.status().await.unwrap();
        assert_eq!((status.pending, status.parked), (100, 0), "each was tried several times");
        is_up.store(true, Ordering::Release);
        drained(&outbox).await;
        assert_eq!(broker.published().len(), expected);
        is_up.store(false, Ordering::Release);
    }
    relay.stop().await;
    let by_key = first_by_key(&broker.published());
    let in_order: Vec<String> = (0..60).map(|number| number.to_string()).collect();
    assert!(by_key.len() == 5 && by_key.values().all(|texts| *texts == in_order), "{by_key:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_is_killed_before_it_marks_publishes_again_in_order() {
    let (database, _store, outbox) = fresh().await;
    let broker = InMemoryPublisher::new();
    let mut connection = database.connection().await;
    let messages = (0..4).map(|number| message(&format!("order-{}", number % 2), number)).collect();
    commit(&outbox, &mut connection, messages).await;
    let lease = Duration::from_millis(600);
    for killed in 1..=3 {
        let slow = Slow { broker: broker.clone(), answers: Arc::new(Semaphore::new(0)) };
        let relay = outbox.relay(slow).lease(lease).start();
        until_published(&broker, 4 * killed).await;
        drop(relay);
        assert_eq!(outbox.status().await.unwrap().pending, 4, "it was not marked");
    }
    commit(&outbox, &mut connection, vec![message("order-0", 4), message("order-1", 5)]).await;
    let relay = outbox.relay(broker.clone()).lease(lease).start();
    drained(&outbox).await;
    relay.stop().await;
    let published = broker.published();
    let by_key = first_by_key(&published);
    assert_eq!(
        (&by_key["order-0"][..], &by_key["order-1"][..]),
        (&["0", "2", "4"].map(String::from)[..], &["1", "3", "5"].map(String::from)[..])
    );
    assert!(published.len() >= 4 * 4 + 2, "at least once: {}", published.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_relays_share_the_work_of_eight_writers_and_keep_each_key_in_commit_order() {
    let (database, store, outbox) = fresh().await;
    database
        .execute(
            "create table {schema}.counters (key text primary key, count int not null);
             insert into {schema}.counters select 'order-' || n, 0 from generate_series(0, 4) n;
             create table {schema}.expected (key text, number int, id uuid)",
        )
        .await
        .unwrap();
    let broker = InMemoryPublisher::new();
    let other = database.options().connect().await.unwrap();
    // No sweep finds what the relays themselves have left behind.
    let relay = |outbox: PgOutbox| outbox.relay(broker.clone()).sweep(Duration::from_secs(3_600));
    let relays = [relay(outbox.clone()).batch(7).start(), relay(other.outbox()).batch(5).start()];
    let writers = (0..8).map(|writer| {
        let (outbox, url, schema) = (outbox.clone(), database.url.clone(), database.schema.clone());
        tokio::spawn(async move {
            let mut connection = PgConnection::connect(&url).await.unwrap();
            for round in 0..40 {
                let key = format!("order-{}", (writer * 3 + round) % 5);
                let mut transaction = connection.begin().await.unwrap();
                let message = message(&key, "{}");
                let id = message.id.as_uuid();
                outbox.enqueue(&mut transaction, message).await.unwrap();
                // Whoever counts next has committed later.
                let count = format!(
                    "with counted as (update {schema}.counters set count = count + 1 where key = $1 returning count)
                     insert into {schema}.expected select $1, count, $2 from counted"
                );
                sqlx::query(AssertSqlSafe(count)).bind(&key).bind(id).execute(&mut *transaction).await.unwrap();
                match round % 5 {
                    0 => transaction.rollback().await.unwrap(),
                    _ => transaction.commit().await.unwrap(),
                }
                let alone = Message::new(Topic::new("shop.viewed").unwrap(), format!("{writer}-{round}"));
                commit(&outbox, &mut connection, vec![alone]).await;
            }
        })
    });
    for writer in join_all(writers.collect::<Vec<_>>()).await {
        writer.unwrap();
    }
    drained(&outbox).await;
    for relay in relays {
        relay.stop().await;
    }
    drop(store);
    let published = broker.published();
    let sql = AssertSqlSafe(format!("select key, id from {}.expected order by key, number", database.schema));
    let rows = sqlx::raw_sql(sql).fetch_all(&mut database.connection().await).await.unwrap();
    let expected: Vec<(String, MessageId)> =
        rows.iter().map(|row| (row.get(0), MessageId::from_uuid(row.get(1)))).collect();
    assert_eq!(expected.len(), 8 * 32);
    let mut keyed: Vec<(String, MessageId)> =
        published.iter().filter_map(|message| Some((message.key.as_ref()?.to_string(), message.id))).collect();
    // A stable sort: within a key the order stays that of publishing.
    keyed.sort_by(|one, other| one.0.cmp(&other.0));
    assert_eq!(keyed, expected, "every key in commit order, nothing missing, nothing twice");
    assert_eq!(published.len() - keyed.len(), 8 * 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_are_cut_again_and_again_lose_nothing_and_keep_the_order() {
    let (database, _store, outbox) = fresh().await;
    let broker = InMemoryPublisher::new();
    let relays: Vec<_> =
        (0..2).map(|_| outbox.relay(broker.clone()).batch(3).lease(Duration::from_millis(200)).start()).collect();
    // Each time after some more were published: the relays get somewhere in between.
    let killer = tokio::spawn({
        let (url, schema, broker) = (database.url.clone(), database.schema.clone(), broker.clone());
        async move {
            let mut connection = PgConnection::connect(&url).await.unwrap();
            let kill = "select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1";
            for more in (4..).step_by(4) {
                until_published(&broker, more).await;
                sqlx::query(kill).bind(format!("cqrs:{schema}")).execute(&mut connection).await.unwrap();
            }
        }
    });
    let mut connection = database.connection().await;
    for number in 0..30 {
        let messages: Vec<_> = (0..3).map(|key| message(&format!("order-{key}"), number)).collect();
        let mut transaction = connection.begin().await.unwrap();
        // The identity of the store is asked for by way of a session that may be cut.
        while outbox.enqueue_all(&mut transaction, messages.clone()).await.is_err() {}
        transaction.commit().await.unwrap();
    }
    until_known(&broker, 90).await;
    killer.abort();
    let _ = killer.await;
    while outbox.status().await.map_or(1, |status| status.pending) > 0 {}
    join_all(relays.into_iter().map(|relay| relay.stop())).await;
    let in_order: Vec<String> = (0..30).map(|number| number.to_string()).collect();
    let by_key = first_by_key(&broker.published());
    assert!(by_key.len() == 3 && by_key.values().all(|texts| *texts == in_order), "{by_key:?}");
}

/// Waits until so many different messages were published.
async fn until_known(broker: &InMemoryPublisher, count: usize) {
    while first_by_key(&broker.published()).values().map(Vec::len).sum::<usize>() < count {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strangers_open_transaction_delays_nothing_and_a_writers_only_its_own_keys() {
    let (database, _store, outbox) = fresh().await;
    let broker = InMemoryPublisher::new();
    let mut connection = database.connection().await;
    let mut stranger = database.connection().await;
    let open = format!(
        "begin; select pg_current_xact_id(); select count(*) from {0}.outbox; create temporary table mine (id int)",
        database.schema
    );
    sqlx::raw_sql(AssertSqlSafe(open)).execute(&mut stranger).await.unwrap();
    commit(&outbox, &mut connection, vec![message("order-1", 1)]).await;
    // It has enqueued for a key of which earlier messages wait, and does nothing more.
    let mut idle = database.connection().await;
    let mut writer = idle.begin().await.unwrap();
    outbox.enqueue(&mut writer, message("order-1", 2)).await.unwrap();
    let relay = outbox.relay(broker.clone()).start();
    for number in 1..=30 {
        commit(&outbox, &mut connection, vec![message("order-2", number), message(&format!("other-{number}"), number)])
            .await;
        until_published(&broker, 1 + 2 * number).await;
    }
    let by_key = first_by_key(&broker.published());
    assert_eq!((by_key["order-1"].len(), by_key["order-2"].len(), by_key.len()), (1, 30, 32));
    let name = format!("waits-{}", database.schema);
    let mut waiting = database.connection().await;
    sqlx::query("select set_config('application_name', $1, false)").bind(&name).execute(&mut waiting).await.unwrap();
    let later = tokio::spawn({
        let outbox = outbox.clone();
        async move { commit(&outbox, &mut waiting, vec![message("order-1", 3)]).await }
    });
    until_waiting(&mut connection, &name).await;
    writer.commit().await.unwrap();
    later.await.unwrap();
    drained(&outbox).await;
    relay.stop().await;
    assert_eq!(first_by_key(&broker.published())["order-1"], ["1", "2", "3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_refused_parks_only_its_key_until_it_is_retried_or_discarded() {
    let (database, _store, outbox) = fresh().await;
    let is_mended = Arc::new(AtomicBool::new(false));
    let broker = InMemoryPublisher::new().answering({
        let is_mended = Arc::clone(&is_mended);
        move |message| match text(message).as_str() {
            "poison" if !is_mended.load(Ordering::Acquire) => {
                Err(PublishError::Permanent(Failure::new("no such topic")))
            }
            _ => Ok(()),
        }
    });
    let relay = impatient(&outbox, broker.clone()).start();
    let mut connection = database.connection().await;
    let keys = ["order-1", "order-2", "order-3"];
    let (one, two) = (message("order-1", "poison"), message("order-2", "poison"));
    for text in ["before", "poison", "after"] {
        let of_key = |key: &&str| match (*key, text) {
            ("order-1", "poison") => one.clone(),
            ("order-2", "poison") => two.clone(),
            ("order-3", "poison") => message(key, "sound"),
            (key, text) => message(key, text),
        };
        commit(&outbox, &mut connection, keys.iter().map(of_key).collect()).await;
    }
    until_published(&broker, 5).await;
    while outbox.status().await.unwrap().parked < 2 {}
    commit(&outbox, &mut connection, vec![message("order-1", "last"), message("order-3", "last")]).await;
    until_published(&broker, 6).await;
    while outbox.status().await.unwrap().pending > 3 {}
    assert_eq!(outbox.status().await.unwrap().parked, 2);
    let parked = outbox.parked(10).await.unwrap();
    assert_eq!(parked.iter().map(|parked| &parked.message).collect::<Vec<_>>(), [&one, &two]);
    assert!(parked.iter().all(|parked| parked.attempts == 1 && parked.reason.contains("no such topic")), "{parked:?}");
    assert_eq!(outbox.parked(1).await.unwrap().len(), 1);
    let by_key = first_by_key(&broker.published());
    assert_eq!(by_key["order-1"], ["before"]);
    assert_eq!(by_key["order-3"], ["before", "sound", "after", "last"]);

    assert!(outbox.discard(two.id, "not wanted").await.unwrap());
    assert!(!outbox.discard(two.id, "not wanted").await.unwrap(), "it is not parked any more");
    is_mended.store(true, Ordering::Release);
    assert!(outbox.retry(one.id).await.unwrap());
    assert_eq!(drained(&outbox).await.parked, 0);
    relay.stop().await;
    let by_key = first_by_key(&broker.published());
    assert_eq!(by_key["order-1"], ["before", "poison", "after", "last"]);
    assert_eq!(by_key["order-2"], ["before", "after"]);
    let again = commit(&outbox, &mut connection, vec![two]).await;
    assert_eq!(again.repeated, 1, "what was discarded is known");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_fails_again_and_again_is_parked_while_others_get_through() {
    let (database, _store, outbox) = fresh().await;
    let tries = Arc::new(AtomicUsize::new(0));
    let broker = InMemoryPublisher::new().answering({
        let tries = Arc::clone(&tries);
        move |message| match text(message).as_str() {
            "poison" if tries.fetch_add(1, Ordering::AcqRel) < 4 => Err(away()),
            _ => Ok(()),
        }
    });
    let relay = impatient(&outbox, broker.clone()).attempts(4).start();
    let mut connection = database.connection().await;
    commit(&outbox, &mut connection, vec![message("order-1", "poison"), message("order-1", "after")]).await;
    let mut number = 0;
    while outbox.status().await.unwrap().parked == 0 {
        number += 1;
        commit(&outbox, &mut connection, vec![message("order-2", number)]).await;
    }
    assert!(tries.load(Ordering::Acquire) >= 4);
    assert!(outbox.parked(1).await.unwrap()[0].attempts >= 4);
    assert_eq!(outbox.retry_all().await.unwrap(), 1);
    assert_eq!(drained(&outbox).await.parked, 0);
    relay.stop().await;
    let by_key = first_by_key(&broker.published());
    assert_eq!(by_key["order-1"], ["poison", "after"]);
    assert_eq!(by_key["order-2"].len(), number);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_that_panics_hangs_or_gives_no_outcomes_is_called_again() {
    #[derive(Debug)]
    struct Careless(InMemoryPublisher, AtomicUsize);

    #[async_trait]
    impl Publisher for Careless {
        async fn publish(&self, messages: &[Message]) -> Vec<Result<(), PublishError>> {
            match self.1.fetch_add(1, Ordering::AcqRel) {
                0 => panic!("on purpose"),
                1 => std::future::pending().await,
                2 => Vec::new(),
                _ => self.0.publish(messages).await,
            }
        }
    }

    let (database, _store, outbox) = fresh().await;
    let broker = InMemoryPublisher::new();
    let careless = Careless(broker.clone(), AtomicUsize::new(0));
    let relay = impatient(&outbox, careless).lease(Duration::from_millis(400)).start();
    let mut connection = database.connection().await;
    commit(&outbox, &mut connection, vec![message("order-1", 1), message("order-1", 2)]).await;
    drained(&outbox).await;
    relay.stop().await;
    assert_eq!(texts(&broker.published()), ["1", "2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_enqueued_while_the_last_of_its_key_is_published_is_not_left_behind() {
    let (database, _store, outbox) = fresh().await;
    let (broker, answers) = (InMemoryPublisher::new(), Arc::new(Semaphore::new(0)));
    let slow = Slow { broker: broker.clone(), answers: Arc::clone(&answers) };
    // No sweep finds what the relay itself has left behind.
    let relay = outbox.relay(slow).sweep(Duration::from_secs(3_600)).start();
    let (mut connection, mut other) = (database.connection().await, database.connection().await);
    commit(&outbox, &mut connection, vec![message("order-1", 1)]).await;
    until_published(&broker, 1).await;
    let mut enqueueing = other.begin().await.unwrap();
    outbox.enqueue(&mut enqueueing, message("order-1", 2)).await.unwrap();
    answers.add_permits(1_000);
    drained(&outbox).await;
    assert_eq!(count(&database, "outbox_lanes").await, 1, "the key is not forgotten while somebody enqueues for it");
    enqueueing.commit().await.unwrap();
    drained(&outbox).await;
    while count(&database, "outbox_lanes").await > 0 {}
    relay.stop().await;
    assert_eq!(texts(&broker.published()), ["1", "2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_is_stopped_finishes_what_it_is_publishing_and_leaves_the_rest_to_others() {
    let (database, _store, outbox) = fresh().await;
    let (broker, answers) = (InMemoryPublisher::new(), Arc::new(Semaphore::new(0)));
    let slow = Slow { broker: broker.clone(), answers: Arc::clone(&answers) };
    let relay = outbox.relay(slow).batch(1).start();
    let mut connection = database.connection().await;
    commit(&outbox, &mut connection, (0..3).map(|number| message("order-1", number)).collect()).await;
    until_published(&broker, 1).await;
    let stopping = tokio::spawn(relay.stop());
    answers.add_permits(1);
    stopping.await.unwrap();
    assert_eq!(outbox.status().await.unwrap().pending, 2, "the first one is marked");
    let relay = outbox.relay(broker.clone()).start();
    drained(&outbox).await;
    relay.stop().await;
    assert_eq!(texts(&broker.published()), ["0", "1", "2"], "nothing twice, and nobody waited for a lease");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_waits_is_notified() {
    let database = Database::new();
    let hour = Duration::from_secs(3_600);
    database.migrated().await;
    let store = database.options().poll(hour).connect().await.unwrap();
    let outbox = store.outbox();
    let broker = InMemoryPublisher::new();
    let relay = outbox.relay(broker.clone()).sweep(hour).start();
    let mut connection = database.connection().await;
    // The listener starts with the relay, which looks once by itself: commits go on until some of them are heard.
    for round in 1..=5 {
        while broker.published().len() < round {
            commit(&outbox, &mut connection, vec![message("order-1", round)]).await;
        }
        drained(&outbox).await;
    }
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_published_is_kept_for_a_while_and_what_was_not_for_as_long_as_it_takes() {
    let (database, _store, outbox) = fresh().await;
    let broker = InMemoryPublisher::new().answering(|message| match text(message).as_str() {
        "poison" => Err(PublishError::Permanent(Failure::new("poison"))),
        _ => Ok(()),
    });
    let mut connection = database.connection().await;
    commit(&outbox, &mut connection, vec![message("order-1", "poison"), message("order-1", "behind")]).await;
    for start in 0..3 {
        let messages = (0..900).map(|number| message(&format!("other-{number}"), start)).collect();
        commit(&outbox, &mut connection, messages).await;
    }
    let relay = outbox.relay(broker.clone()).start();
    until_published(&broker, 2_700).await;
    while outbox.status().await.unwrap().pending > 1 {}
    relay.stop().await;
    assert_eq!(count(&database, "outbox").await, 2_702);
    let relay = outbox.relay(broker).retention(Duration::ZERO).sweep(Duration::from_millis(1)).start();
    while count(&database, "outbox").await > 2 {}
    relay.stop().await;
    let status = outbox.status().await.unwrap();
    assert_eq!((status.pending, status.parked), (1, 1));
    assert_eq!(count(&database, "outbox_lanes").await, 1, "keys do not pile up");
}

async fn count(database: &Database, table: &str) -> i64 {
    let sql = AssertSqlSafe(format!("select count(*) from {}.{table}", database.schema));
    sqlx::query_scalar(sql).fetch_one(&mut database.connection().await).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_whose_lanes_were_lost_are_found_by_the_sweep() {
    let (database, _store, outbox) = fresh().await;
    let mut connection = database.connection().await;
    commit(&outbox, &mut connection, vec![message("order-1", 1), message("order-2", 2)]).await;
    database.execute("delete from {schema}.outbox_lanes").await.unwrap();
    let broker = InMemoryPublisher::new();
    let relay = outbox.relay(broker.clone()).sweep(Duration::from_millis(20)).start();
    until_published(&broker, 2).await;
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_says_what_keeps_it_from_the_database_and_goes_on_when_it_is_mended() {
    let database = Database::new();
    let store = database.options().poll(Duration::from_millis(20)).connect().await.unwrap();
    let outbox = store.outbox();
    let broker = InMemoryPublisher::new();
    let relay = outbox.relay(broker.clone()).start();
    while relay.error().is_none() {
        tokio::task::yield_now().await;
    }
    store.migrate().await.unwrap();
    let mut connection = database.connection().await;
    commit(&outbox, &mut connection, vec![message("order-1", 1)]).await;
    until_published(&broker, 1).await;
    while relay.error().is_some() {
        tokio::task::yield_now().await;
    }
    relay.stop().await;
}
