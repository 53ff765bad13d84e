//! The derives of `cqrs-core`, which re-exports them: use them from there.

mod ast;
mod attr;
mod check;
mod errors;
mod expand;
mod fingerprint;
mod name;

use proc_macro::TokenStream;
use syn::parse_macro_input;

/// Implements `DomainEvent`: how events are named, written and read back.
///
/// An enum has one event for each variant, with named fields, one value or nothing in it; a struct is one event. They
/// need serde's `Serialize` and `Deserialize` beside this derive. An event is recorded under its event type,
/// `{domain}.{name}.v{version}`, with the JSON of its fields alone. serde's attributes work on the fields, and those on
/// the type work too unless they would write it in another form.
///
/// ```
/// use cqrs_core::{DomainEvent, UpcastError};
/// use serde::{Deserialize, Serialize};
/// use serde_json::{Value, json};
///
/// #[derive(Debug, PartialEq, Serialize, Deserialize, DomainEvent)]
/// #[event(domain = "account")]
/// enum AccountEvent {
///     Opened { owner: String },
///     #[event(version = 2, upcast_from(1 = deposited_v1))]
///     Deposited { amount: i64, currency: String },
///     #[event(name = "shut")]
///     Closed,
/// }
///
/// // version 1 knew no currencies
/// fn deposited_v1(mut event: Value) -> Result<Value, UpcastError> {
///     event["currency"] = json!("EUR");
///     Ok(event)
/// }
///
/// # fn main() -> Result<(), cqrs_core::CodecError> {
/// let event = AccountEvent::Opened { owner: "Ada".to_owned() };
/// assert_eq!(event.event_type(), "account.opened.v1");
/// assert_eq!(event.encode()?.as_str(), r#"{"owner":"Ada"}"#);
/// assert_eq!(AccountEvent::Closed.event_type(), "account.shut.v1");
///
/// let mut events = Vec::new();
/// <AccountEvent as DomainEvent>::decode("account.deposited.v1", br#"{"amount":5}"#, &mut events)?;
/// assert_eq!(events, [AccountEvent::Deposited { amount: 5, currency: "EUR".to_owned() }]);
/// # Ok(())
/// # }
/// ```
///
/// # Attributes
/// | key | on | meaning |
/// |-|-|-|
/// | `domain = "account"` | enum, struct | how event types begin: words of `a`-`z`, `0`-`9` and `_`, with dots between them. Required, unless all variants are `nested` |
/// | `name = "opened"` | variant, struct | what happened; the variant's or struct's name in snake case when it is not given. Give it when you rename a variant, so that recorded events are still found |
/// | `version = 2` | variant, struct | the version of the fields, 1 when it is not given. Raise it when old payloads no longer fit |
/// | `upcast_from(1 = path, …)` | variant, struct | older versions that can still be read, in ascending order, each with the function (an `Upcast`) that turns its payload into that of the next version in the list, the last one into the current one |
/// | `renamed_from("account.created", …)` | variant, struct | names under which the event was recorded before, each a domain and a name: all versions of them are read like those of the present name |
/// | `retired("account.moved.v1" = path, …)` | enum, struct | recorded event types that no event is written under any more, each with the function (a `Retired`) that says what such an event is today: several events, one of another type, or none |
/// | `dropped("account.pinged.v1", …)` | enum, struct | recorded event types that no reader of these events needs: they are passed over on purpose, and not unknown |
/// | `restarts` | variant, struct | the state after this event rests on nothing that was before it: it is applied to the default state, and a stream can be truncated before it. For what carries a balance forward, say; give the event all fields that the state needs |
/// | `nested` | variant | its one value is itself a type of events, which are recorded under their own event types: see below |
/// | `claim = "email"` | field | what the field displays is a unique key of this kind, which the event takes for its stream: see `Claims`. Nothing is claimed when an `Option` is `None` |
/// | `release = "email"` | field | the same, but the event releases the key |
/// | `tag = "course"` | field | the event is found by the tag `course:` and what the field displays; by one for each value of a `Vec`, by none when an `Option` is `None`. No personal data |
/// | `subject` | field | names the person whose data the event holds, by an id that is no personal data itself; several in a `Vec` |
/// | `personal` | field | data of that person, which is to become unreadable when the person is forgotten |
/// | `crate = path` | enum, struct | where `cqrs-core` is, `::cqrs_core` when it is not given |
///
/// A field that old payloads lack needs no new version when serde can fill it in (`#[serde(default)]`, `Option`), and a
/// removed field none at all: unknown fields are passed over. A renamed field is read under its old name too with
/// `#[serde(alias = "…")]`.
///
/// `FINGERPRINT` covers event types, upcasters, what is retired or dropped, which events restart the state, fields with their types as written, and
/// serde's attributes, and nested events. It does not see into the types of fields, nor which types a generic event is used
/// with.
///
/// # Enums of enums
/// An aggregate with many events can have them in groups. How they are grouped is not recorded: regroup them at any time.
///
/// ```
/// use cqrs_core::DomainEvent;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize, DomainEvent)]
/// #[event(domain = "order")]
/// enum Fulfilment {
///     Packed,
///     Shipped { parcel: String },
/// }
///
/// #[derive(Serialize, Deserialize, DomainEvent)]
/// #[event(domain = "order")]
/// enum OrderEvent {
///     Placed { total: u64 },
///     #[event(nested)]
///     Fulfilment(Fulfilment),
/// }
///
/// assert_eq!(OrderEvent::Fulfilment(Fulfilment::Packed).event_type(), "order.packed.v1");
/// assert_eq!(OrderEvent::EVENT_TYPES, ["order.placed.v1", "order.packed.v1", "order.shipped.v1"]);
/// ```
///
/// # Unique keys
/// ```
/// use cqrs_core::{ClaimKey, DomainEvent};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize, DomainEvent)]
/// #[event(domain = "user")]
/// enum UserEvent {
///     SignedUp {
///         #[event(claim = "email")]
///         email: String,
///         name: String,
///     },
///     EmailChanged {
///         #[event(release = "email")]
///         from: String,
///         #[event(claim = "email")]
///         to: String,
///     },
/// }
///
/// # fn main() -> Result<(), cqrs_core::InvalidClaim> {
/// let claims = UserEvent::EmailChanged { from: "ann@example.com".to_owned(), to: "ann@example.org".to_owned() }.claims()?;
/// assert_eq!(claims.released, [ClaimKey::new("email", "ann@example.com")?]);
/// assert_eq!(claims.taken, [ClaimKey::new("email", "ann@example.org")?]);
/// # Ok(())
/// # }
/// ```
///
/// Values are compared as they are displayed: normalise them before they get into the event (lower case, say), and beware of
/// types that display only a part of what they hold. For a key of several fields, or one that is unique within something
/// else, claim a field whose type displays all of it.
///
/// # Tags and personal data
/// ```
/// use cqrs_core::DomainEvent;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize, DomainEvent)]
/// #[event(domain = "course")]
/// #[serde(rename_all_fields = "camelCase")]
/// enum CourseEvent {
///     Subscribed {
///         #[event(tag = "course")]
///         course: u32,
///         #[event(tag = "student", subject)]
///         student: u32,
///         #[event(personal)]
///         display_name: String,
///     },
/// }
///
/// let event = CourseEvent::Subscribed { course: 1, student: 7, display_name: "Ann".to_owned() };
/// assert_eq!(event.tags(), ["course:1", "student:7"]);
/// assert_eq!(event.data_subjects(), ["7"]);
/// assert_eq!(CourseEvent::PERSONAL_FIELDS[0].fields, ["displayName"]);
/// ```
#[proc_macro_derive(DomainEvent, attributes(event))]
pub fn domain_event(input: TokenStream) -> TokenStream {
    expand::domain_event(&parse_macro_input!(input)).into()
}

/// Implements `EventSet` for an enum whose variants each hold the events of one aggregate: what a projector reads that
/// follows several of them.
///
/// ```
/// use cqrs_core::{DomainEvent, EventSet};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, PartialEq, Serialize, Deserialize, DomainEvent)]
/// #[event(domain = "account")]
/// enum AccountEvent {
///     Opened { owner: String },
/// }
///
/// #[derive(Debug, PartialEq, Serialize, Deserialize, DomainEvent)]
/// #[event(domain = "card", name = "issued")]
/// struct CardIssued {
///     number: u64,
/// }
///
/// #[derive(Debug, PartialEq, EventSet)]
/// enum BankEvent {
///     Account(AccountEvent),
///     Card(CardIssued),
/// }
///
/// # fn main() -> Result<(), cqrs_core::CodecError> {
/// let mut events = Vec::new();
/// BankEvent::decode("card.issued.v1", br#"{"number":7}"#, &mut events)?;
/// assert_eq!(events, [BankEvent::Card(CardIssued { number: 7 })]);
/// assert_eq!(BankEvent::event_types().len(), 2);
/// # Ok(())
/// # }
/// ```
///
/// Two members that understand the same event type are refused when the set is compiled. `#[event_set(crate = path)]` says
/// where `cqrs-core` is when it is not `::cqrs_core`.
#[proc_macro_derive(EventSet, attributes(event_set))]
pub fn event_set(input: TokenStream) -> TokenStream {
    expand::event_set(&parse_macro_input!(input)).into()
}

/// Implements `Aggregate`: which streams, ids, events, errors and snapshots belong to a state. How events change the state
/// and how commands are decided is written by hand, as `Apply` and `Handle`.
///
/// ```
/// use std::fmt;
///
/// use cqrs_core::{Aggregate, Apply, DomainEvent, Handle};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Clone, Debug, Default, Serialize, Deserialize, Aggregate)]
/// #[aggregate(stream = "account", id = u64, event = AccountEvent, error = AccountError, snapshot(every = 100, version = 1))]
/// struct Account {
///     balance: i64,
/// }
///
/// #[derive(Debug, PartialEq, Serialize, Deserialize, DomainEvent)]
/// #[event(domain = "account")]
/// enum AccountEvent {
///     Withdrawn { amount: i64 },
/// }
///
/// struct Withdraw {
///     amount: i64,
/// }
///
/// #[derive(Debug, PartialEq)]
/// enum AccountError {
///     InsufficientFunds,
/// }
///
/// impl Apply for Account {
///     fn apply(&mut self, event: &AccountEvent) {
///         let AccountEvent::Withdrawn { amount } = event;
///         self.balance -= amount;
///     }
/// }
///
/// impl Handle<Withdraw> for Account {
///     fn handle(&self, command: &Withdraw) -> Result<Vec<AccountEvent>, AccountError> {
///         if command.amount > self.balance {
///             return Err(AccountError::InsufficientFunds);
///         }
///         Ok(vec![AccountEvent::Withdrawn { amount: command.amount }])
///     }
/// }
///
/// impl std::error::Error for AccountError {}
///
/// impl fmt::Display for AccountError {
///     fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
///         f.write_str("insufficient funds")
///     }
/// }
///
/// let account = Account { balance: 5 };
/// assert_eq!(account.handle(&Withdraw { amount: 6 }), Err(AccountError::InsufficientFunds));
/// assert_eq!(account.handle(&Withdraw { amount: 5 }), Ok(vec![AccountEvent::Withdrawn { amount: 5 }]));
/// ```
///
/// # Attributes
/// | key | meaning |
/// |-|-|
/// | `stream = "account"` | the category of the streams, before the `-` and the id: 1 to 64 ASCII letters, digits, `_` and `.`. Required |
/// | `id = AccountId` | the type that tells one aggregate from another. Required |
/// | `event = AccountEvent` | the type of the events. Required |
/// | `error = AccountError` | why a command is rejected. Required |
/// | `snapshot(every = 100, version = 1)` | a snapshot for each so many events. Raise `version`, 1 when it is not given, with every change of the state's shape or of what an event does to it. No snapshots when it is left out |
/// | `snapshot(older_than = "1h")` | a snapshot when the newest one is older than a number of seconds, minutes, hours or days (`s`, `m`, `h`, `d`), by the recorded times of the events; with `every` beside it, when the first of both is due |
/// | `snapshot(on_demand)` | a snapshot only when `Repository::snapshot` asks for it |
/// | `crate = path` | where `cqrs-core` is, `::cqrs_core` when it is not given |
#[proc_macro_derive(Aggregate, attributes(aggregate))]
pub fn aggregate(input: TokenStream) -> TokenStream {
    expand::aggregate(&parse_macro_input!(input)).into()
}

/// Makes a struct that wraps one value (a `String`, a number, a UUID: what is `Display` and `FromStr`) an id: it displays as its
/// value, which is the part of a stream's name after the category, is parsed from it, and is made `From` it.
///
/// ```
/// use cqrs_core::{AggregateId, StreamName};
///
/// #[derive(Debug, Clone, PartialEq, Eq, Hash, AggregateId)]
/// struct AccountId(String);
///
/// #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, AggregateId)]
/// struct OrderId(u64);
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// assert_eq!(StreamName::of("order", &OrderId::from(7))?.as_str(), "order-7");
/// assert_eq!("7".parse::<OrderId>()?, OrderId(7));
/// assert!("seven".parse::<OrderId>().is_err());
/// assert_eq!(AccountId::from("ACC-001".to_owned()).to_string(), "ACC-001");
/// # Ok(())
/// # }
/// ```
///
/// Aggregates ask for `Clone`, `Eq` and `Hash` as well; with serde's derives it is written as its value.
#[proc_macro_derive(AggregateId)]
pub fn aggregate_id(input: TokenStream) -> TokenStream {
    expand::aggregate_id(&parse_macro_input!(input)).into()
}
