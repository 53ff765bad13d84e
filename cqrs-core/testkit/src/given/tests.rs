use std::panic::{UnwindSafe, catch_unwind};

use cqrs_core::{Payload, RecordedEvent, Timestamp, Version, write_json_lines};

use super::*;
use crate::sample::{
    Account, AccountError, AccountEvent, AccountId, Close, Deposit, FORMER_ACCOUNT, Open, Status, Withdraw,
};

fn opened() -> AccountEvent {
    AccountEvent::Opened { owner: "Ann".to_owned() }
}

fn deposited(amount: i64) -> AccountEvent {
    AccountEvent::Deposited { amount, currency: "VND".to_owned() }
}

/// The state of an open account that holds so much.
fn holding(balance: i64) -> Account {
    let mut account = Account::default();
    [opened(), deposited(balance)].iter().for_each(|event| fold(&mut account, event));
    account
}

/// What a failing test says.
fn message<T>(test: impl FnOnce() -> T + UnwindSafe) -> String {
    let Err(panic) = catch_unwind(move || drop(test())) else { panic!("it did not fail") };
    *panic.downcast::<String>().unwrap()
}

#[test]
fn what_is_as_expected_passes() {
    given_nothing::<Account>().when(Open { owner: "Ann".to_owned() }).then([opened()]);
    given::<Account>([opened(), deposited(5), AccountEvent::Withdrawn { amount: 5 }, AccountEvent::Closed])
        .when(Close)
        .then_nothing();
    given_nothing::<Account>()
        .when(Withdraw { amount: 5 })
        .then_error(AccountError::NotOpen)
        .then_error_matches(|error| matches!(error, AccountError::NotOpen));
    given::<Account>([opened()])
        .then_state_matches(|account| account.status() == Status::Active)
        .when(Deposit::new(7, "VND"))
        .then_matches(|events| matches!(events, [AccountEvent::Deposited { amount: 7, .. }]))
        .then_state(holding(7))
        .then_state_matches(|account| account.balance() == 7);
    given::<Account>([opened(), deposited(5)]).then_state(holding(5));
}

#[test]
fn other_events_are_shown_line_by_line() {
    let shown = message(|| given::<Account>([opened()]).when(Deposit::new(7, "VND")).then([deposited(8)]));
    assert_eq!(
        shown,
        r#"given
    Opened {
        owner: "Ann",
    }
when
    Deposit { amount: 7, currency: "VND" }
then event 1 is the first that differs; 1 expected, 1 happened (- expected, + happened):
      Deposited {
-         amount: 8,
+         amount: 7,
          currency: "VND",
      }
"#
    );
}

#[test]
fn an_event_too_many_or_too_few_fails() {
    let when = || given::<Account>([opened()]).when(Deposit::new(7, "VND"));
    let shown = message(move || when().then_nothing());
    assert!(shown.contains("then event 1 is the first that differs; 0 expected, 1 happened"), "{shown}");
    assert!(shown.contains("-     nothing\n+     Deposited {\n"), "{shown}");
    let shown = message(move || when().then([deposited(7), deposited(7)]));
    assert!(shown.contains("then event 2 is the first that differs; 2 expected, 1 happened"), "{shown}");
    assert!(shown.contains("\n-     Deposited {\n"), "{shown}");
}

#[test]
fn of_a_long_past_the_newest_events_are_shown() {
    let past = || std::iter::once(opened()).chain((1..=30).map(deposited));
    let shown = message(move || given::<Account>(past()).when(Close).then_nothing());
    assert!(shown.starts_with("given 11 events, and then\n    Deposited {\n        amount: 11,\n"), "{shown}");
    assert!(shown.contains("amount: 30,\n"), "{shown}");
}

#[test]
fn a_rejection_that_was_not_expected_is_shown() {
    let rejected = || given_nothing::<Account>().when(Withdraw { amount: 5 });
    let begin =
        "given nothing\nwhen\n    Withdraw { amount: 5 }\nit was rejected: the account is not open (NotOpen), but ";
    for (shown, end) in [
        (message(move || rejected().then_nothing()), "expected:\n    nothing\n"),
        (message(move || rejected().then_matches(|_| true)), "events were expected"),
        (message(move || rejected().then_state(Account::default())), "a state was expected"),
        (message(move || rejected().then_state_matches(|_| true)), "a state was expected"),
    ] {
        assert_eq!(shown, format!("{begin}{end}"));
    }
}

#[test]
fn another_error_than_expected_is_shown_with_both() {
    let expected = AccountError::InsufficientFunds { balance: 1, amount: 5 };
    let when = || given::<Account>([opened()]).when(Withdraw { amount: 5 });
    let shown = message(move || when().then_error(expected));
    assert!(shown.contains("then rejected (- expected, + actual):\n"), "{shown}");
    assert!(shown.contains("-     balance: 1,\n+     balance: 0,\n"), "{shown}");
    let shown = message(move || when().then_error_matches(|error| matches!(error, AccountError::Closed)));
    assert!(shown.contains("then the error is not as it should be: 5 was asked for"), "{shown}");
}

#[test]
fn a_command_that_was_to_be_rejected_but_was_not_is_shown() {
    let when = || given_nothing::<Account>().when(Open { owner: "Ann".to_owned() });
    let shown = message(move || when().then_error(AccountError::NotOpen));
    assert!(
        shown.contains("to be rejected: the account is not open (NotOpen), but it was accepted:\n    Opened {"),
        "{shown}"
    );
    let shown = message(move || when().then_error_matches(|_| true));
    assert!(shown.contains("it was to be rejected, but it was accepted:\n    Opened {"), "{shown}");
}

#[test]
fn another_state_is_shown_line_by_line() {
    let past = || given::<Account>([opened(), deposited(5)]);
    let shown = message(move || past().then_state(holding(6)));
    assert!(shown.contains("then the state is (- expected, + actual):\n"), "{shown}");
    assert!(shown.contains("-     balance: 6,\n+     balance: 5,\n"), "{shown}");
    let shown = message(move || past().when(Withdraw { amount: 2 }).then_state(holding(5)));
    assert!(shown.contains("-     balance: 5,\n+     balance: 3,\n"), "{shown}");
    let shown = message(move || past().then_state_matches(|account| account.balance() == 6));
    assert!(shown.contains("then the state is not as it should be:\nAccount {\n    balance: 5,\n"), "{shown}");
}

#[test]
fn events_that_are_not_as_they_should_be_are_shown() {
    let shown = message(|| given::<Account>([opened()]).when(Close).then_matches(<[_]>::is_empty));
    assert!(shown.ends_with("then what happened is not as it should be:\n    Closed\n"), "{shown}");
}

#[test]
fn what_differs_and_looks_alike_is_said_to() {
    let shown = difference("same\n", "same\n");
    assert!(shown.starts_with("same\nwhich look alike and are not equal"), "{shown}");
}

/// The lines of a stream that begins with this version.
fn recorded(stream: &str, first: u64, events: &[(&str, &str)]) -> String {
    let event = |(version, (event_type, payload)): (u64, &(&str, &str))| RecordedEvent {
        id: cqrs_core::EventId::new(),
        event_type: event_type.parse().unwrap(),
        stream: stream.parse().unwrap(),
        version: Version::new(version).unwrap(),
        position: cqrs_core::GlobalPosition::new(version),
        recorded_at: Timestamp::MIN,
        occurred_at: None,
        payload: Payload::from_bytes((*payload).to_owned()),
        metadata: Payload::from_bytes("{}"),
    };
    let events: Vec<_> = (first..).zip(events).map(event).collect();
    let mut lines = Vec::new();
    write_json_lines(&events, &mut lines).unwrap();
    String::from_utf8(lines).unwrap()
}

fn account(lines: &str) -> Given<Account> {
    given_json_lines(&AccountId::new("1"), lines.as_bytes())
}

const CARRIED: (&str, &str) = ("account.carried_forward.v1", r#"{"balance":5,"currency":"VND"}"#);

#[test]
fn recorded_events_are_read_as_those_of_today_and_other_streams_are_passed_over() {
    let other = recorded("account-2", 1, &FORMER_ACCOUNT);
    let lines = format!("{other}{}\n{other}", recorded("account-1", 1, &FORMER_ACCOUNT));
    account(&lines)
        .then_state_matches(|account| account.balance() == 100 && account.currency() == Some("VND"))
        .when(Withdraw { amount: 100 })
        .then([AccountEvent::Withdrawn { amount: 100 }]);
}

#[test]
fn a_recorded_past_may_begin_where_the_state_restarts() {
    account(&recorded("account-1", 7, &[CARRIED])).then_state(holding(5));
    let shown = message(|| account(&recorded("account-1", 7, &FORMER_ACCOUNT)));
    assert_eq!(shown, "account-1 begins with version 7, which does not restart the state");
}

#[test]
fn a_recorded_past_with_a_hole_is_refused() {
    let shown = message(|| {
        account(&format!("{}{}", recorded("account-1", 1, &[CARRIED]), recorded("account-1", 3, &[CARRIED])))
    });
    assert_eq!(shown, "version 3 of account-1 follows version 1");
}

#[test]
fn a_recorded_past_of_other_streams_only_is_refused() {
    let streams = |count: usize| (0..count).map(|n| recorded(&format!("order-{n}"), 1, &[CARRIED])).collect::<String>();
    assert_eq!(message(|| account("\n")), "no event of account-1 is among the lines: there are none");
    assert_eq!(message(|| account(&streams(2))), "no event of account-1 is among the lines, only of order-0, order-1");
    let shown = message(|| account(&streams(9)));
    assert!(shown.ends_with("only of order-0, order-1, order-2, order-3, order-4 and others"), "{shown}");
}

#[test]
fn lines_that_cannot_be_read_are_named() {
    let good = recorded("account-1", 1, &[CARRIED]);
    let shown = message(|| account(&format!("{good}{{\"position\":1}}\n")));
    assert!(shown.starts_with("line 2 is no event: missing field"), "{shown}");
    let shown = message(|| account(&format!("{good}{}", recorded("account-1", 2, &[("account.robbed.v1", "{}")]))));
    assert!(shown.starts_with("version 2 of account-1, account.robbed.v1: "), "{shown}");
}
