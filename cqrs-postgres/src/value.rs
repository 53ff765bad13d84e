//! Values on the wire that sqlx does not know: moments without a date library of its own choice.

use cqrs_core::Timestamp;
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArgumentBuffer, PgHasArrayType, PgTypeInfo, PgValueFormat, PgValueRef, Postgres};
use sqlx::{Decode, Encode, Type};

/// The types by number, the same in every database: a name would have to be asked for, and the question would discard the
/// unnamed statement that is about to be executed.
const TIMESTAMPTZ: Oid = Oid(1184);
const TIMESTAMPTZ_ARRAY: Oid = Oid(1185);

/// Microseconds from 1970-01-01 to 2000-01-01, where PostgreSQL counts from.
const EPOCH: i64 = 946_684_800_000_000;

/// A moment as PostgreSQL counts it.
pub(crate) const fn since_2000(time: Timestamp) -> i64 {
    time.as_micros() - EPOCH
}

/// The moment that PostgreSQL counts so.
pub(crate) fn from_2000(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros.saturating_add(EPOCH))
}

/// A moment as `timestamptz`: an i64 of microseconds since 2000-01-01 in binary.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PgTimestamp(pub Timestamp);

impl Type<Postgres> for PgTimestamp {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(TIMESTAMPTZ)
    }
}

impl PgHasArrayType for PgTimestamp {
    fn array_type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(TIMESTAMPTZ_ARRAY)
    }
}

impl Encode<'_, Postgres> for PgTimestamp {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        Encode::<Postgres>::encode_by_ref(&since_2000(self.0), buffer)
    }
}

impl Decode<'_, Postgres> for PgTimestamp {
    fn decode(value: PgValueRef<'_>) -> Result<Self, BoxDynError> {
        match value.format() {
            PgValueFormat::Binary => Ok(Self(from_2000(<i64 as Decode<Postgres>>::decode(value)?))),
            PgValueFormat::Text => Ok(Self(value.as_str()?.replacen(' ', "T", 1).parse()?)),
        }
    }
}
