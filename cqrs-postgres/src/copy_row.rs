//! Rows of the event table in COPY's binary format, see <https://www.postgresql.org/docs/current/sql-copy.html>.

use std::ops::Range;

use bytes::Bytes;
use cqrs_core::{EventId, GlobalPosition, Payload, RecordedEvent, Timestamp};
use uuid::Uuid;

use crate::row::{Rows, corrupt, to_version};
use crate::value::from_2000;

/// What stands before the first row: the signature, and flags and an extension that are empty.
pub(crate) const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// The columns of the log, and the head of the log after them.
const COLUMNS: usize = 10;

/// One row, its fields found.
#[derive(Debug)]
pub(crate) struct CopiedRow {
    bytes: Bytes,
    fields: [Option<Range<usize>>; COLUMNS],
}

impl CopiedRow {
    /// The server sends a row per message, the header before the first. `None` is the end.
    pub fn read(message: &Bytes) -> Result<Option<Self>, sqlx::Error> {
        let mut rest = message.strip_prefix(HEADER).unwrap_or(message);
        match i16::from_be_bytes(take(&mut rest)?) {
            -1 => return Ok(None),
            10 => {}
            columns => return Err(corrupt(format!("a copied row of {columns} columns"))),
        }
        // Copied once for all of its fields, so that an event keeps no more of the connection's buffer than itself.
        let bytes = Bytes::copy_from_slice(rest);
        let mut fields = [const { None }; COLUMNS];
        for field in &mut fields {
            // -1 is null.
            if let Ok(length) = usize::try_from(i32::from_be_bytes(take(&mut rest)?)) {
                let start = bytes.len() - rest.len();
                rest = rest.get(length..).ok_or_else(cut)?;
                *field = Some(start..start + length);
            }
        }
        Ok(Some(Self { bytes, fields }))
    }

    /// The newest position of the log.
    pub fn head(&self) -> Result<GlobalPosition, sqlx::Error> {
        self.position(9)
    }

    /// `None` when the page is empty: then the row holds only the head.
    pub fn place(&self) -> Result<Option<GlobalPosition>, sqlx::Error> {
        self.fields[0].as_ref().map(|_| self.position(0)).transpose()
    }

    /// `None` when the page is empty, or the event is skipped.
    pub fn event(&self, rows: &mut Rows) -> Result<Option<RecordedEvent>, sqlx::Error> {
        if self.fields[1].is_none() {
            return Ok(None);
        }
        let version = self.number(3)?;
        let occurred_at = if self.fields[6].is_some() { Some(self.time(6)?) } else { None };
        Ok(Some(RecordedEvent {
            position: self.position(0)?,
            id: EventId::from_uuid(Uuid::from_bytes(self.fixed(1)?)),
            stream: rows.stream(self.text(2)?)?,
            version: to_version(version).ok_or_else(|| corrupt(format!("version {version}")))?,
            event_type: rows.event_type(self.text(4)?)?,
            recorded_at: self.time(5)?,
            occurred_at,
            payload: self.payload(7)?,
            metadata: self.payload(8)?,
        }))
    }

    fn range(&self, column: usize) -> Result<Range<usize>, sqlx::Error> {
        self.fields[column].clone().ok_or_else(|| corrupt(format!("column {column} is null")))
    }

    fn fixed<const N: usize>(&self, column: usize) -> Result<[u8; N], sqlx::Error> {
        self.bytes[self.range(column)?].try_into().map_err(corrupt)
    }

    fn number(&self, column: usize) -> Result<i64, sqlx::Error> {
        self.fixed(column).map(i64::from_be_bytes)
    }

    fn position(&self, column: usize) -> Result<GlobalPosition, sqlx::Error> {
        u64::try_from(self.number(column)?).map(GlobalPosition::new).map_err(corrupt)
    }

    fn time(&self, column: usize) -> Result<Timestamp, sqlx::Error> {
        self.number(column).map(from_2000)
    }

    fn text(&self, column: usize) -> Result<&str, sqlx::Error> {
        std::str::from_utf8(&self.bytes[self.range(column)?]).map_err(corrupt)
    }

    fn payload(&self, column: usize) -> Result<Payload, sqlx::Error> {
        Ok(Payload::from_bytes(self.bytes.slice(self.range(column)?)))
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], sqlx::Error> {
    let (taken, left) = rest.split_first_chunk().ok_or_else(cut)?;
    *rest = left;
    Ok(*taken)
}

fn cut() -> sqlx::Error {
    corrupt("a copied row is cut off")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(fields: &[Option<&[u8]>]) -> Vec<u8> {
        let mut message = i16::try_from(fields.len()).unwrap().to_be_bytes().to_vec();
        for field in fields {
            let length = field.map_or(-1, |bytes| i32::try_from(bytes.len()).unwrap());
            message.extend_from_slice(&length.to_be_bytes());
            message.extend_from_slice(field.unwrap_or_default());
        }
        message
    }

    fn event() -> Vec<u8> {
        let number = 7_i64.to_be_bytes();
        let fields: [&[u8]; 10] = [
            &number,
            &[1; 16],
            b"account-1",
            &number,
            b"account.opened.v1",
            &number,
            &number,
            b"{\"a\":1}",
            b"{}",
            &number,
        ];
        message(&fields.map(Some))
    }

    #[test]
    fn the_header_stands_before_the_first_row_only() {
        let first = Bytes::from([HEADER, &event()].concat());
        let one = CopiedRow::read(&first).unwrap().unwrap().event(&mut Rows::default()).unwrap().unwrap();
        let other = CopiedRow::read(&event().into()).unwrap().unwrap().event(&mut Rows::default()).unwrap().unwrap();
        assert_eq!(one, other);
        assert_eq!((one.position.get(), one.payload.as_str(), one.metadata.as_str()), (7, "{\"a\":1}", "{}"));
    }

    #[test]
    fn an_empty_page_is_a_row_with_nothing_but_the_head() {
        let mut fields = [None; 10];
        let head = 9_i64.to_be_bytes();
        fields[9] = Some(&head[..]);
        let row = CopiedRow::read(&message(&fields).into()).unwrap().unwrap();
        assert_eq!((row.head().unwrap().get(), row.place().unwrap()), (9, None));
        assert_eq!(row.event(&mut Rows::default()).unwrap(), None);
    }

    #[test]
    fn a_skipped_event_is_a_row_with_its_place_and_no_id() {
        let mut fields = [None; 10];
        let (place, head) = (7_i64.to_be_bytes(), 9_i64.to_be_bytes());
        (fields[0], fields[9]) = (Some(&place[..]), Some(&head[..]));
        let row = CopiedRow::read(&message(&fields).into()).unwrap().unwrap();
        assert_eq!(row.place().unwrap(), Some(GlobalPosition::new(7)));
        assert_eq!(row.event(&mut Rows::default()).unwrap(), None);
    }

    #[test]
    fn the_end_is_no_row() {
        assert!(CopiedRow::read(&Bytes::from_static(&[0xff, 0xff])).unwrap().is_none());
    }

    #[test]
    fn a_row_that_is_cut_off_anywhere_is_corrupt() {
        let whole = event();
        for length in 0..whole.len() {
            assert!(CopiedRow::read(&Bytes::copy_from_slice(&whole[..length])).is_err(), "{length} bytes");
        }
    }
}
