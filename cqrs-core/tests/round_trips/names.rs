//! Names, against rules that are written down once more, as naively as can be.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use cqrs_core::{Category, EventType, InvalidName, ProjectionName, StreamName};
use proptest::prelude::*;
use serde::{Serialize, de::DeserializeOwned};

/// All ways to a name agree with the rule, and a name comes back as it was.
fn agrees<N>(text: &str, valid: bool) -> Result<(), TestCaseError>
where
    N: FromStr<Err = InvalidName> + Display + AsRef<str> + Serialize + DeserializeOwned + PartialEq + Debug,
{
    let json = serde_json::to_string(text).unwrap();
    let (parsed, read) = (text.parse::<N>(), serde_json::from_str::<N>(&json));
    prop_assert_eq!((parsed.is_ok(), read.is_ok()), (valid, valid), "{:?} is valid: {}", text, valid);
    match parsed {
        Ok(name) => {
            prop_assert_eq!(name.as_ref(), text);
            prop_assert_eq!(name.to_string(), text);
            prop_assert_eq!(serde_json::to_string(&name).unwrap(), json);
            prop_assert_eq!(name, read.unwrap());
        }
        Err(error) => {
            prop_assert!(text.starts_with(&error.value) && error.value.chars().count() <= 80);
            prop_assert!(error.to_string().contains(error.reason));
        }
    }
    Ok(())
}

fn only(text: &str, allowed: &str) -> bool {
    text.chars().all(|c| allowed.contains(c))
}

const LOWER: &str = "abcdefghijklmnopqrstuvwxyz0123456789_";

fn is_category(text: &str) -> bool {
    (1..=64).contains(&text.len()) && only(&text.to_ascii_lowercase(), &format!("{LOWER}."))
}

fn is_stream(text: &str) -> bool {
    let dash = text.find('-');
    let parts = dash.map(|dash| (&text[..dash], &text[dash + 1..]));
    text.len() <= 255
        && parts.is_some_and(|(of, id)| is_category(of) && !id.is_empty() && !id.contains(char::is_control))
}

fn is_event_type(text: &str) -> bool {
    let parts: Vec<_> = text.split('.').collect();
    let Some((version, words)) = parts.split_last() else { return false };
    let number = version.strip_prefix('v').and_then(|digits| digits.parse::<u32>().ok());
    text.len() <= 128
        && number.is_some_and(|number| number > 0 && *version == format!("v{number}"))
        && words.len() >= 2
        && words.iter().all(|word| !word.is_empty() && only(word, LOWER))
}

fn is_projection(text: &str) -> bool {
    text.len() <= 64 && text.starts_with(|c: char| c.is_ascii_lowercase()) && only(text, &format!("{LOWER}-"))
}

/// Names, near misses of names, and anything.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z0-9_.v-]{0,12}",
        "[a-zA-Z0-9_.]{1,3}-[ -~éß漢]{1,100}",
        "[a-z][a-z0-9_]{0,3}\\.[a-z]{1,3}\\.v[0-9]{1,11}",
        "[a-z]{1,3}(\\.[a-z]{1,3}){1,50}\\.v[1-9]",
        "[a-z]{60,66}",
        "[a-z]{62,66}-x",
        "[a-zA-Z.]{0,4}-?[\\x00-\\x20\\x7f-\\xa0]{0,2}[a-z]{0,2}",
        "\\PC*",
        ".*",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_name_is_taken_as_it_is_or_refused(text in text()) {
        agrees::<Category>(&text, is_category(&text))?;
        agrees::<StreamName>(&text, is_stream(&text))?;
        agrees::<EventType>(&text, is_event_type(&text))?;
        agrees::<ProjectionName>(&text, is_projection(&text))?;
    }

    #[test]
    fn a_stream_is_its_category_and_its_id(category in "[a-zA-Z0-9_.]{1,64}", id in "\\PC{1,40}") {
        let stream = StreamName::of(&category, &id).unwrap();
        prop_assert_eq!((stream.category(), stream.id()), (category.as_str(), id.as_str()));
        prop_assert!(Category::new(stream.category()).is_ok());
    }

    #[test]
    fn an_event_type_has_its_schema_version(domain in "[a-z0-9_]{1,20}(\\.v?[a-z0-9_]{1,9}){1,3}", version in 1..=u32::MAX) {
        prop_assert_eq!(EventType::new(format!("{domain}.v{version}")).unwrap().schema_version(), version);
    }
}
