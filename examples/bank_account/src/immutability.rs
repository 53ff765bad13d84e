//! What PostgreSQL says to somebody who wants to change the past.

use std::error::Error;

use sqlx::{AssertSqlSafe, Connection, PgConnection};

/// Tries to change, remove and forge events over a plain connection, and gives back each statement with its refusal.
/// Fails when the database lets one pass.
pub async fn refusals(url: &str, schema: &str) -> Result<Vec<(String, String)>, Box<dyn Error>> {
    let mut database = PgConnection::connect(url).await?;
    let mut refusals = Vec::new();
    for statement in [
        format!("update {schema}.events set payload = '{{\"amount\":9000000}}'"),
        format!("delete from {schema}.events"),
        format!("truncate {schema}.events"),
        format!("insert into {schema}.events select * from {schema}.events"),
    ] {
        // Nothing is done for good, even if it could be.
        let mut transaction = database.begin().await?;
        match sqlx::query(AssertSqlSafe(statement.clone())).execute(&mut *transaction).await {
            Ok(_) => return Err(format!("the database let pass: {statement}").into()),
            Err(sqlx::Error::Database(refusal)) => refusals.push((statement, refusal.message().to_owned())),
            Err(error) => return Err(error.into()),
        }
        transaction.rollback().await?;
    }
    database.close().await?;
    Ok(refusals)
}
