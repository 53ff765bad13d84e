//! Sessions that know nothing of the store and are in its way.

use std::future::Future;
use std::pin::pin;

use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::{Place, told_to_end};

pub(super) async fn disturb(place: Place, seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut idle: Vec<PgConnection> = Vec::new();
    let mut end = pin!(told_to_end());
    loop {
        let disturbing = disturb_once(&place, &mut random, &mut idle);
        tokio::select! {
            biased;
            () = &mut end => return,
            () = disturbing => {}
        }
    }
}

fn disturb_once(place: &Place, random: &mut fastrand::Rng, idle: &mut Vec<PgConnection>) -> impl Future<Output = ()> {
    let choice = random.u8(..4);
    let seconds = random.f32() * 0.04;
    let end = if random.bool() { "commit" } else { "rollback" };
    async move {
        let mut connection = PgConnection::connect(&place.url).await.unwrap();
        let schema = &place.schema;
        let sql = match choice {
            // A transaction with an id, left open while others come and go.
            0 => format!("begin; select pg_current_xact_id(); select count(*) from {schema}.events"),
            // A snapshot that is kept open.
            1 => format!("begin isolation level repeatable read; select count(*) from {schema}.events"),
            // The append lock is held for a while.
            _ => format!(
                "begin; select pg_advisory_xact_lock(hashtextextended('cqrs:{schema}', 0)); \
                 select pg_sleep({seconds}); {end}; select pg_sleep(0.1)"
            ),
        };
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
        if choice < 2 {
            idle.push(connection);
            if idle.len() > 3 {
                idle.remove(0);
            }
        }
    }
}
