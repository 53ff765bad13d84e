//! A page of the whole log: small ones by prepared statements, large ones by COPY.

use cqrs_core::{Filter, GlobalPosition, LogPage, ReadAll, RecordedEvent};
use futures::TryStreamExt;
use sqlx::Row;

use crate::copy_row::CopiedRow;
use crate::event_store::bound;
use crate::row::{self, Rows};
use crate::session::{Session, Sessions};
use crate::statements::Statements;

/// A page of at least this many events is copied: a row costs half as much then, but the statement is planned each time.
const COPIED: usize = 2_000;

pub(crate) async fn page(sessions: &Sessions, sql: &Statements, read: &ReadAll) -> Result<LogPage, sqlx::Error> {
    let limit = read.limit.max(1);
    let mut session = sessions.start().await?;
    let (mut events, head) = if limit < COPIED {
        fetch(&mut session, sql, read, limit).await?
    } else {
        copy(&mut session, sql, read, limit).await?
    };
    session.done().await?;
    // They come in order, though SQL promises none for a join; asked to, the server would collect and sort the page.
    events.sort_by_key(|event| event.position);
    let end = read.until.min(head);
    let scanned_to = match events.last() {
        Some(last) if events.len() == limit => last.position,
        _ => end.max(read.after),
    };
    Ok(LogPage { more: scanned_to < end, events, scanned_to })
}

/// The events of a page, and the head of the log in the same snapshot.
type Found = (Vec<RecordedEvent>, GlobalPosition);

async fn fetch(session: &mut Session, sql: &Statements, read: &ReadAll, limit: usize) -> Result<Found, sqlx::Error> {
    let (statement, names) = statement(sql, &read.filter);
    let mut query = sql
        .query(statement)
        .bind(read.after.get().cast_signed())
        .bind(read.until.get().cast_signed())
        .bind(bound(limit));
    if let Some(names) = names {
        query = query.bind(names);
    }
    let (mut events, mut head, mut rows) = (Vec::new(), GlobalPosition::START, Rows::default());
    let mut found = query.fetch(&mut **session);
    while let Some(row) = found.try_next().await? {
        head = row::position(&row, 9)?;
        if row.try_get_unchecked::<Option<i64>, _>(0)?.is_some() {
            events.push(rows.event(&row)?);
        }
    }
    Ok((events, head))
}

async fn copy(session: &mut Session, sql: &Statements, read: &ReadAll, limit: usize) -> Result<Found, sqlx::Error> {
    let (statement, names) = statement(sql, &read.filter);
    // COPY knows no parameters. What is put in are numbers, and names that their checks leave no quote in.
    let mut select = statement
        .as_str()
        .replace("$1", &read.after.get().cast_signed().to_string())
        .replace("$2", &read.until.get().cast_signed().to_string())
        .replace("$3", &bound(limit).to_string());
    if let Some(names) = names {
        select = select.replace("$4", &format!("array['{}']", names.join("','")));
    }
    let (mut events, mut head, mut rows) = (Vec::with_capacity(limit), GlobalPosition::START, Rows::default());
    let mut chunks = session.copy_out_raw(&format!("copy ({select}) to stdout (format binary)")).await?;
    while let Some(chunk) = chunks.try_next().await? {
        if let Some(row) = CopiedRow::read(&chunk)? {
            head = row.head()?;
            events.extend(row.event(&mut rows)?);
        }
    }
    Ok((events, head))
}

/// The statement for a filter, and the names that are its fourth parameter, each once: a name that is wanted twice gives its
/// events once.
fn statement<'a>(sql: &'a Statements, filter: &'a Filter) -> (&'a sqlx::SqlStr, Option<Vec<&'a str>>) {
    match filter {
        Filter::EventTypes(wanted) => (&sql.read_event_types, Some(each_once(wanted))),
        Filter::Categories(wanted) => (&sql.read_categories, Some(each_once(wanted))),
        _ => (&sql.read_all, None),
    }
}

fn each_once(wanted: &[impl AsRef<str>]) -> Vec<&str> {
    let mut names: Vec<&str> = wanted.iter().map(AsRef::as_ref).collect();
    names.sort_unstable();
    names.dedup();
    names
}
