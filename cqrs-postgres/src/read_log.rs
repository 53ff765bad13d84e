//! A page of the whole log: small ones by prepared statements, large ones by COPY.

use cqrs_core::{Filter, GlobalPosition, LogPage, ReadAll, RecordedEvent};
use futures::TryStreamExt;
use sqlx::Row;
use uuid::Uuid;

use crate::copy_row::CopiedRow;
use crate::event_store::bound;
use crate::queries;
use crate::row::{self, Rows, corrupt};
use crate::session::{Session, Sessions};
use crate::statements::Statements;

/// A page of at least this many events is copied: a row costs half as much then, but the statement is planned each time.
const COPIED: usize = 2_000;

pub(crate) async fn page(sessions: &Sessions, sql: &Statements, read: &ReadAll) -> Result<LogPage, sqlx::Error> {
    let limit = read.limit.max(1);
    let mut session = sessions.start().await?;
    let Found { mut events, head, places, last, full, in_order, .. } = if limit < COPIED || is_query(&read.filter) {
        fetch(&mut session, sql, read, limit).await?
    } else {
        copy(&mut session, sql, read, limit).await?
    };
    if full {
        // The rest of the answer is not waited for: the session is closed.
        drop(session);
    } else {
        session.done().await?;
    }
    // They come in order, though SQL promises none for a join; asked to, the server would collect and sort the page.
    if !in_order {
        if full {
            return Err(corrupt("a page that does not come in order cannot be cut"));
        }
        events.sort_by_key(|event| event.position);
    }
    let end = read.until.min(head);
    let scanned_to = if full || places == limit { last } else { end.max(read.after) };
    Ok(LogPage { more: scanned_to < end, events, scanned_to })
}

/// What was found for a page.
struct Found {
    events: Vec<RecordedEvent>,
    /// How many bytes they may still have.
    bytes: usize,
    /// The next event would be too much.
    full: bool,
    in_order: bool,
    /// The head of the log in the same snapshot.
    head: GlobalPosition,
    /// How many events were looked at, those included that are skipped.
    places: usize,
    /// The position of the last of them.
    last: GlobalPosition,
}

impl Found {
    fn up_to(limit: usize, bytes: usize) -> Self {
        Self {
            events: Vec::with_capacity(limit.min(COPIED)),
            bytes,
            full: false,
            in_order: true,
            head: GlobalPosition::START,
            places: 0,
            last: GlobalPosition::START,
        }
    }

    fn add(&mut self, place: Option<GlobalPosition>, event: Option<RecordedEvent>) {
        let size = event.as_ref().map_or(0, RecordedEvent::bytes);
        if size > self.bytes && !self.events.is_empty() {
            self.full = true;
            return;
        }
        self.bytes = self.bytes.saturating_sub(size);
        if let Some(position) = place {
            self.places += 1;
            self.in_order &= position > self.last;
            self.last = self.last.max(position);
        }
        self.events.extend(event);
    }
}

async fn fetch(session: &mut Session, sql: &Statements, read: &ReadAll, limit: usize) -> Result<Found, sqlx::Error> {
    let (filter, skip_archived) = read.filter.parts();
    let (statement, names) = statement(sql, filter);
    let items = match filter {
        Filter::Query(query) if !query.is_all() => Some(queries::json(query)?),
        _ => None,
    };
    let mut query = sql
        .query(statement)
        .bind(read.after.get().cast_signed())
        .bind(read.until.get().cast_signed())
        .bind(bound(limit))
        .bind(skip_archived);
    if let Some(names) = names {
        query = query.bind(names);
    }
    if let Some(items) = items {
        query = query.bind(items);
    }
    let (mut found, mut rows) = (Found::up_to(limit, read.bytes), Rows::default());
    let mut answers = query.fetch(&mut **session);
    while !found.full
        && let Some(row) = answers.try_next().await?
    {
        found.head = row::position(&row, 9)?;
        let place = row.try_get_unchecked::<Option<i64>, _>(0)?.map(|_| row::position(&row, 0)).transpose()?;
        let id = row.try_get_unchecked::<Option<Uuid>, _>(1)?;
        found.add(place, id.map(|_| rows.event(&row)).transpose()?);
    }
    Ok(found)
}

async fn copy(session: &mut Session, sql: &Statements, read: &ReadAll, limit: usize) -> Result<Found, sqlx::Error> {
    let (filter, skip_archived) = read.filter.parts();
    let (statement, names) = statement(sql, filter);
    // COPY knows no parameters. What is put in are numbers, and names that their checks leave no quote in.
    let mut select = statement
        .as_str()
        .replace("$1", &read.after.get().cast_signed().to_string())
        .replace("$2", &read.until.get().cast_signed().to_string())
        .replace("$3", &bound(limit).to_string())
        .replace("$4", &skip_archived.to_string());
    if let Some(names) = names {
        select = select.replace("$5", &format!("array['{}']", names.join("','")));
    }
    let (mut found, mut rows) = (Found::up_to(limit, read.bytes), Rows::default());
    let mut chunks = session.copy_out_raw(&format!("copy ({select}) to stdout (format binary)")).await?;
    while !found.full
        && let Some(chunk) = chunks.try_next().await?
    {
        if let Some(row) = CopiedRow::read(&chunk)? {
            found.head = row.head()?;
            found.add(row.place()?, row.event(&mut rows)?);
        }
    }
    Ok(found)
}

/// Its tags may hold what COPY takes for the end of a name, and it is seldom read in large pages.
fn is_query(filter: &Filter) -> bool {
    matches!(filter.parts().0, Filter::Query(_))
}

/// The statement for a filter, and the names that are its fifth parameter, each once: a name that is wanted twice gives its
/// events once.
fn statement<'a>(sql: &'a Statements, filter: &'a Filter) -> (&'a sqlx::SqlStr, Option<Vec<&'a str>>) {
    match filter {
        Filter::EventTypes(wanted) => (&sql.read_event_types, Some(each_once(wanted))),
        Filter::Categories(wanted) => (&sql.read_categories, Some(each_once(wanted))),
        Filter::Query(query) if !query.is_all() => (&sql.read_query, None),
        _ => (&sql.read_all, None),
    }
}

fn each_once(wanted: &[impl AsRef<str>]) -> Vec<&str> {
    let mut names: Vec<&str> = wanted.iter().map(AsRef::as_ref).collect();
    names.sort_unstable();
    names.dedup();
    names
}
