//! How large, and how long: numbers, texts and lists.

use serde_json::{Map, Value};

type Fields = Map<String, Value>;

/// Whole numbers up to here are exact in double precision.
const EXACT_IN_DOUBLE: f64 = 9_007_199_254_740_992.0;
const EXACT_IN_SINGLE: f64 = 16_777_216.0;

/// What was written and what is read, when some of what was written is outside of what is read. Both have the same type,
/// but for whole numbers that are read with a fraction.
pub(super) fn narrower(writer: &Fields, reader: &Fields) -> Option<(String, String)> {
    let (written, read) = (bounds(writer, reader), bounds(reader, reader));
    let outside = |written: f64, read: f64| written < read;
    let narrower = outside(written.0, read.0) || outside(read.1, written.1);
    let less_precise = text(writer, "format") == Some("double") && text(reader, "format") == Some("float");
    (narrower || less_precise).then(|| (described(writer, written), described(reader, read)))
}

/// The least and the most that a document of `schema` may be.
fn bounds(schema: &Fields, reader: &Fields) -> (f64, f64) {
    match text(schema, "type") {
        Some("string") => lengths(schema, "minLength", "maxLength"),
        Some("array") => lengths(schema, "minItems", "maxItems"),
        Some("object") => lengths(schema, "minProperties", "maxProperties"),
        Some("integer") => {
            let (least, most) = match text(schema, "format") {
                Some("int8") => (f64::from(i8::MIN), f64::from(i8::MAX)),
                Some("int16") => (f64::from(i16::MIN), f64::from(i16::MAX)),
                Some("int32") => (f64::from(i32::MIN), f64::from(i32::MAX)),
                Some("int64" | "int") => (-(2_f64.powi(63)), 2_f64.powi(63)),
                Some("int128") => (-(2_f64.powi(127)), 2_f64.powi(127)),
                Some("uint8") => (0.0, f64::from(u8::MAX)),
                Some("uint16") => (0.0, f64::from(u16::MAX)),
                Some("uint32") => (0.0, f64::from(u32::MAX)),
                Some("uint64" | "uint") => (0.0, 2_f64.powi(64)),
                Some("uint128") => (0.0, 2_f64.powi(128)),
                _ => (f64::NEG_INFINITY, f64::INFINITY),
            };
            let least = number(schema, "minimum").map_or(least, |given| given.max(least));
            (least, number(schema, "maximum").map_or(most, |given| given.min(most)))
        }
        // Whole numbers that are read with a fraction must be exact there; with fractions, any may be rounded.
        Some("number") => match (text(reader, "format"), number(schema, "minimum"), number(schema, "maximum")) {
            (Some("float"), None, None) => (-EXACT_IN_SINGLE, EXACT_IN_SINGLE),
            (Some("double"), None, None) => (-EXACT_IN_DOUBLE, EXACT_IN_DOUBLE),
            (_, least, most) => (least.unwrap_or(f64::NEG_INFINITY), most.unwrap_or(f64::INFINITY)),
        },
        _ => (f64::NEG_INFINITY, f64::INFINITY),
    }
}

fn lengths(schema: &Fields, least: &str, most: &str) -> (f64, f64) {
    (number(schema, least).unwrap_or(0.0), number(schema, most).unwrap_or(f64::INFINITY))
}

fn number(schema: &Fields, key: &str) -> Option<f64> {
    schema.get(key).and_then(Value::as_f64)
}

fn text<'a>(schema: &'a Fields, key: &str) -> Option<&'a str> {
    schema.get(key).and_then(Value::as_str)
}

fn described(schema: &Fields, (least, most): (f64, f64)) -> String {
    let kind = text(schema, "type").unwrap_or_default();
    match (kind, text(schema, "format")) {
        ("integer" | "number", Some(format)) => format!("{kind} ({format})"),
        ("integer" | "number", None) => format!("{kind} from {least} to {most}"),
        _ => format!("{kind} of {least} to {most}"),
    }
}
