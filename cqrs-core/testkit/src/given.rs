//! given / when / then for aggregates.

use std::fmt::{Debug, Write as _};

use cqrs_core::{Aggregate, Apply, Handle, fold};
use similar::TextDiff;

use crate::fail::fail;

/// An aggregate to which these events have happened.
///
/// ```
/// use cqrs_testkit::{given, given_nothing};
/// use cqrs_testkit::sample::{Account, AccountError, AccountEvent, Open, Withdraw};
///
/// let opened = AccountEvent::Opened { owner: "Ann".to_owned() };
/// let deposited = AccountEvent::Deposited { amount: 100, currency: "VND".to_owned() };
///
/// given_nothing::<Account>().when(Open { owner: "Ann".to_owned() }).then([opened.clone()]);
/// given::<Account>([opened.clone(), deposited.clone()])
///     .when(Withdraw { amount: 30 })
///     .then([AccountEvent::Withdrawn { amount: 30 }]);
/// given::<Account>([opened, deposited])
///     .when(Withdraw { amount: 130 })
///     .then_error(AccountError::InsufficientFunds { balance: 100, amount: 130 });
/// ```
pub fn given<A: Apply>(events: impl IntoIterator<Item = A::Event>) -> Given<A> {
    Given { events: events.into_iter().collect() }
}

/// An aggregate to which nothing has happened yet.
pub fn given_nothing<A: Apply>() -> Given<A> {
    given([])
}

/// An aggregate's past. Go on with [`when`](Self::when).
#[derive(Debug)]
#[must_use = "it says nothing before `when` and one of the `then`s"]
pub struct Given<A: Aggregate> {
    events: Vec<A::Event>,
}

impl<A: Apply> Given<A> {
    /// Lets the aggregate decide a command.
    pub fn when<C: Debug>(self, command: C) -> When<A>
    where
        A: Handle<C>,
        A::Event: Debug,
    {
        let mut state = A::default();
        for event in &self.events {
            fold(&mut state, event);
        }
        let mut story = match self.events.as_slice() {
            [] => "given nothing\n".to_owned(),
            events => format!("given\n{}", lines(events)),
        };
        // Writing to a string cannot fail.
        let _ = writeln!(story, "when\n    {command:?}");
        When { outcome: state.handle(&command), story }
    }
}

/// What an aggregate decided. Go on with one of the `then`s.
#[derive(Debug)]
#[must_use = "it says nothing before one of the `then`s"]
pub struct When<A: Aggregate> {
    outcome: Result<Vec<A::Event>, A::Error>,
    story: String,
}

impl<A: Aggregate> When<A>
where
    A::Event: Debug + PartialEq,
{
    /// Exactly these events happened.
    ///
    /// # Panics
    /// When others happened or the command was rejected; the message shows the difference.
    #[track_caller]
    pub fn then(self, expected: impl IntoIterator<Item = A::Event>) {
        let expected: Vec<_> = expected.into_iter().collect();
        match self.outcome {
            Ok(actual) => {
                let differences = difference(&lines(&expected), &lines(&actual));
                assert!(actual == expected, "{}then, - expected, + actual:\n{differences}", self.story);
            }
            Err(error) => fail(&format!(
                "{}it was rejected: {error} ({error:?}), but expected:\n{}",
                self.story,
                lines(&expected)
            )),
        }
    }

    /// Nothing happened, and nothing was wrong with the command.
    ///
    /// # Panics
    /// When something happened or the command was rejected; the message shows what.
    #[track_caller]
    pub fn then_nothing(self) {
        self.then([]);
    }

    /// The command was rejected with this error.
    ///
    /// # Panics
    /// When it was rejected with another one or accepted; the message shows what happened.
    #[track_caller]
    pub fn then_error(self, expected: A::Error)
    where
        A::Error: PartialEq,
    {
        match self.outcome {
            Ok(actual) => fail(&format!(
                "{}it was to be rejected: {expected} ({expected:?}), but it was accepted:\n{}",
                self.story,
                lines(&actual)
            )),
            Err(actual) => {
                let differences = difference(&format!("{expected:#?}\n"), &format!("{actual:#?}\n"));
                assert!(actual == expected, "{}then rejected, - expected, + actual:\n{differences}", self.story);
            }
        }
    }
}

/// Each event from a line of its own on.
fn lines<E: Debug>(events: &[E]) -> String {
    if events.is_empty() {
        return "    nothing\n".to_owned();
    }
    events
        .iter()
        .flat_map(|event| format!("{event:#?}").lines().map(|line| format!("    {line}\n")).collect::<Vec<_>>())
        .collect()
}

fn difference(expected: &str, actual: &str) -> String {
    let difference = TextDiff::from_lines(expected, actual);
    difference.iter_all_changes().map(|change| format!("{} {change}", change.tag())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{Account, AccountError, AccountEvent, Close, Deposit, Open, Withdraw};

    fn opened() -> AccountEvent {
        AccountEvent::Opened { owner: "Ann".to_owned() }
    }

    fn deposited(amount: i64) -> AccountEvent {
        AccountEvent::Deposited { amount, currency: "VND".to_owned() }
    }

    fn message(test: impl FnOnce() + std::panic::UnwindSafe) -> String {
        *std::panic::catch_unwind(test).unwrap_err().downcast::<String>().unwrap()
    }

    #[test]
    fn what_is_as_expected_passes() {
        given_nothing::<Account>().when(Open { owner: "Ann".to_owned() }).then([opened()]);
        given::<Account>([opened(), deposited(5), AccountEvent::Withdrawn { amount: 5 }, AccountEvent::Closed])
            .when(Close)
            .then_nothing();
        given_nothing::<Account>().when(Withdraw { amount: 5 }).then_error(AccountError::NotOpen);
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
then, - expected, + actual:
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
        let shown = message(|| given::<Account>([opened()]).when(Deposit::new(7, "VND")).then_nothing());
        assert!(shown.contains("-     nothing\n+     Deposited {\n"), "{shown}");
        let shown =
            message(|| given::<Account>([opened()]).when(Deposit::new(7, "VND")).then([deposited(7), deposited(7)]));
        assert!(shown.contains("\n-     Deposited {\n"), "{shown}");
    }

    #[test]
    fn a_rejection_that_was_not_expected_is_shown() {
        let shown = message(|| given_nothing::<Account>().when(Withdraw { amount: 5 }).then_nothing());
        assert!(shown.contains("given nothing\nwhen\n    Withdraw { amount: 5 }\nit was rejected:"), "{shown}");
        assert!(shown.contains("NotOpen"), "{shown}");
    }

    #[test]
    fn another_error_than_expected_is_shown_with_both() {
        let expected = AccountError::InsufficientFunds { balance: 1, amount: 5 };
        let shown = message(|| given::<Account>([opened()]).when(Withdraw { amount: 5 }).then_error(expected));
        assert!(shown.contains("-     balance: 1,\n+     balance: 0,\n"), "{shown}");
    }

    #[test]
    fn a_command_that_was_to_be_rejected_but_was_not_is_shown() {
        let shown = message(|| {
            given_nothing::<Account>().when(Open { owner: "Ann".to_owned() }).then_error(AccountError::NotOpen)
        });
        assert!(shown.contains("accepted:\n    Opened {"), "{shown}");
    }
}
