//! `#[serde(…)]` attributes that would write an event in another form than its event type promises.

mod field_name;

pub use field_name::{is_flattened, name_of, rename_rule};

use syn::{Attribute, Error};

use super::{each_item, skip_item};
use crate::errors::Errors;

pub fn check_enum(attrs: &[Attribute], errors: &mut Errors) {
    each_item(attrs, "serde", "#[serde(…)]", errors, |key, input, _| {
        let why = match key.to_string().as_str() {
            "tag" | "content" | "untagged" => {
                "the event type is recorded beside the payload and says which variant it is, the payload holds only the variant's fields"
            }
            "into" | "from" | "try_from" => {
                "the variant itself is encoded; for another shape of one event use `#[serde(with = \"…\")]` on its fields"
            }
            "remote" => "the events themselves need `Serialize` and `Deserialize`",
            _ => {
                skip_item(input);
                return Ok(());
            }
        };
        Err(Error::new(key.span(), format_args!("remove `{key}` from this enum of events: {why}")))
    });
}

pub fn check_variant(attrs: &[Attribute], errors: &mut Errors) {
    each_item(attrs, "serde", "#[serde(…)]", errors, |key, input, _| {
        let why = match key.to_string().as_str() {
            "skip" | "skip_serializing" | "skip_deserializing" => {
                "an event that has been recorded must be readable for ever"
            }
            "other" => {
                "a reader decides itself what it does with an unknown event type, it is never turned into another event"
            }
            "untagged" => "the event type says which variant a payload is",
            _ => {
                skip_item(input);
                return Ok(());
            }
        };
        Err(Error::new(key.span(), format_args!("remove `{key}` from this event: {why}")))
    });
}
