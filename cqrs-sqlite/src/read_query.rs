//! A page of the events that match a query: their positions first, then the events themselves in packs.

use cqrs_core::{EventQuery, LogPage, ReadAll, RecordedEvent};

use crate::event_store::{SqliteEventStore, packed, read_head};
use crate::queries;
use crate::row::Events;
use crate::statements::READ_POSITIONS;

impl SqliteEventStore {
    pub(crate) async fn read_query(&self, read: &ReadAll, query: &EventQuery) -> Result<LogPage, sqlx::Error> {
        let (limit, skip_archived) = (read.limit.max(1), read.filter.parts().1);
        let mut connection = self.pool().acquire().await?;
        // Read first: up to here nothing is added while the rest is read.
        let end = read.until.min(read_head(&mut *connection).await?.position);
        let window = (query, read.after, end);
        let places = queries::matching(&mut connection, &[window], limit).await?.into_iter().next().unwrap_or_default();
        let full = places.len() == limit;
        let mut page = LogPage { scanned_to: read.after, ..LogPage::default() };
        let (mut unpacked, mut bytes) = (Events::default(), 0);
        for pack in places.chunks(self.pack(limit)) {
            if bytes >= read.bytes {
                page.more = true;
                break;
            }
            let wanted: Vec<u64> = pack.iter().map(|position| position.get()).collect();
            let wanted = serde_json::to_string(&wanted).map_err(|error| sqlx::Error::Encode(error.into()))?;
            let row = sqlx::query(READ_POSITIONS).bind(wanted).bind(skip_archived).fetch_one(&mut *connection).await?;
            let before = page.events.len();
            unpacked.unpack(packed(&row, 0)?, &mut page.events)?;
            bytes += page.events[before..].iter().map(RecordedEvent::bytes).sum::<usize>();
            page.scanned_to = pack.last().copied().unwrap_or(page.scanned_to);
        }
        if !page.more {
            page.scanned_to = if full { page.scanned_to } else { end.max(read.after) };
            page.more = page.scanned_to < end;
        }
        page.cut(read.bytes);
        Ok(page)
    }
}
