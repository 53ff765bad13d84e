use cqrs_core::{Aggregate, AggregateId};
use serde::{Deserialize, Serialize};

use super::AccountEvent;

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, AggregateId)]
struct AccountId(String);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, AggregateId)]
struct Numbered<T>(T);

#[derive(Clone, Debug, Default, Aggregate)]
#[aggregate(stream = "account", id = AccountId, event = AccountEvent, error = std::fmt::Error)]
struct Account;

#[test]
fn an_id_is_displayed_parsed_and_written_as_its_value() {
    let id: <Account as Aggregate>::Id = "ACC-001".parse().unwrap();
    assert_eq!(id, AccountId::from("ACC-001".to_owned()));
    assert_eq!((id.to_string(), format!("{id:>9}")), ("ACC-001".to_owned(), "  ACC-001".to_owned()));
    assert_eq!(serde_json::to_string(&id).unwrap(), r#""ACC-001""#);
    assert_eq!(serde_json::from_str::<AccountId>(r#""ACC-001""#).unwrap(), id);
}

#[test]
fn what_cannot_be_parsed_is_refused_as_the_value_refuses_it() {
    assert_eq!("8".parse::<Numbered<u8>>().unwrap(), Numbered(8));
    assert_eq!("256".parse::<Numbered<u8>>().unwrap_err(), "256".parse::<u8>().unwrap_err());
}
