//! given / when / then for aggregates.

use std::fmt::{Debug, Write as _};

use cqrs_core::{Aggregate, Apply, Handle, fold};

mod difference;
mod recorded;
#[cfg(test)]
mod tests;

pub use recorded::given_json_lines;

use crate::fail::fail;
use difference::{difference, first_difference, lines};

/// How many events of its past a failing test shows, the newest.
const SHOWN: usize = 20;

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
///     .then([AccountEvent::Withdrawn { amount: 30 }])
///     .then_state_matches(|account| account.balance() == 70);
/// given::<Account>([opened, deposited])
///     .when(Withdraw { amount: 130 })
///     .then_error(AccountError::InsufficientFunds { balance: 100, amount: 130 });
/// ```
#[must_use = "it says nothing before one of the `then`s"]
pub fn given<A: Apply>(events: impl IntoIterator<Item = A::Event>) -> Given<A> {
    Given { events: events.into_iter().collect() }
}

/// An aggregate to which nothing has happened yet.
#[must_use = "it says nothing before one of the `then`s"]
pub fn given_nothing<A: Apply>() -> Given<A> {
    given([])
}

/// An aggregate's past. Go on with [`when`](Self::when), or ask for the state that it leads to.
#[derive(Debug)]
pub struct Given<A: Aggregate> {
    events: Vec<A::Event>,
}

impl<A: Apply> Given<A> {
    /// Lets the aggregate decide a command.
    #[must_use = "it says nothing before one of the `then`s"]
    pub fn when<C: Debug>(self, command: C) -> When<A>
    where
        A: Handle<C>,
        A::Event: Debug,
    {
        let before = self.state();
        let mut story = self.story();
        // Writing to a string cannot fail.
        let _ = writeln!(story, "when\n    {command:?}");
        When { outcome: before.handle(&command), before, story }
    }

    /// The events lead to this state.
    ///
    /// # Panics
    /// When they lead to another one; the message shows the difference.
    #[track_caller]
    pub fn then_state(self, expected: A) -> Self
    where
        A: Debug + PartialEq,
        A::Event: Debug,
    {
        same_state(&self.story(), &self.state(), &expected);
        self
    }

    /// The events lead to a state that is as it should be.
    ///
    /// # Panics
    /// When it is not; the message shows the state.
    #[track_caller]
    pub fn then_state_matches(self, matches: impl FnOnce(&A) -> bool) -> Self
    where
        A: Debug,
        A::Event: Debug,
    {
        matching_state(&self.story(), &self.state(), matches);
        self
    }

    fn state(&self) -> A {
        let mut state = A::default();
        self.events.iter().for_each(|event| fold(&mut state, event));
        state
    }

    fn story(&self) -> String
    where
        A::Event: Debug,
    {
        let (earlier, newest) = self.events.split_at(self.events.len().saturating_sub(SHOWN));
        match (earlier.len(), newest) {
            (_, []) => "given nothing\n".to_owned(),
            (0, newest) => format!("given\n{}", lines(newest)),
            (earlier, newest) => format!("given {earlier} events, and then\n{}", lines(newest)),
        }
    }
}

/// What an aggregate decided. Go on with the `then`s: what happened or why not, and the state after it.
#[derive(Debug)]
pub struct When<A: Aggregate> {
    before: A,
    outcome: Result<Vec<A::Event>, A::Error>,
    story: String,
}

impl<A: Apply> When<A>
where
    A::Event: Debug,
{
    /// Exactly these events happened.
    ///
    /// # Panics
    /// When others happened or the command was rejected; the message names the first event that differs and shows the
    /// difference line by line.
    #[track_caller]
    pub fn then(self, expected: impl IntoIterator<Item = A::Event>) -> Self
    where
        A::Event: PartialEq,
    {
        let expected: Vec<_> = expected.into_iter().collect();
        let actual = self.happened(|| format!("but expected:\n{}", lines(&expected)));
        if let Some(place) = first_difference(&expected, actual) {
            fail(&format!(
                "{}then event {} is the first that differs; {} expected, {} happened (- expected, + happened):\n{}",
                self.story,
                place + 1,
                expected.len(),
                actual.len(),
                difference(&lines(&expected), &lines(actual))
            ));
        }
        self
    }

    /// Nothing happened, and nothing was wrong with the command.
    ///
    /// # Panics
    /// When something happened or the command was rejected; the message shows what.
    #[track_caller]
    pub fn then_nothing(self) -> Self
    where
        A::Event: PartialEq,
    {
        self.then([])
    }

    /// What happened is as it should be: for events of which a test knows a part only, such as a new id.
    ///
    /// # Panics
    /// When it is not, or the command was rejected; the message shows what happened.
    #[track_caller]
    pub fn then_matches(self, matches: impl FnOnce(&[A::Event]) -> bool) -> Self {
        let actual = self.happened(|| "but events were expected".to_owned());
        if !matches(actual) {
            fail(&format!("{}then what happened is not as it should be:\n{}", self.story, lines(actual)))
        }
        self
    }

    /// The command was rejected with this error.
    ///
    /// # Panics
    /// When it was rejected with another one or accepted; the message shows what happened.
    #[track_caller]
    pub fn then_error(self, expected: A::Error) -> Self
    where
        A::Error: PartialEq,
    {
        let actual = self.error(&format!("to be rejected: {expected} ({expected:?})"));
        if *actual != expected {
            let differences = difference(&format!("{expected:#?}\n"), &format!("{actual:#?}\n"));
            fail(&format!("{}then rejected (- expected, + actual):\n{differences}", self.story))
        }
        self
    }

    /// The command was rejected, with an error that is as it should be: for errors that cannot be compared.
    ///
    /// # Panics
    /// When the error is not, or the command was accepted; the message shows what happened.
    #[track_caller]
    pub fn then_error_matches(self, matches: impl FnOnce(&A::Error) -> bool) -> Self {
        let actual = self.error("to be rejected");
        if !matches(actual) {
            fail(&format!("{}then the error is not as it should be: {actual} ({actual:?})", self.story))
        }
        self
    }

    /// The state after what happened is this one.
    ///
    /// # Panics
    /// When it is another one or the command was rejected; the message shows the difference.
    #[track_caller]
    pub fn then_state(self, expected: A) -> Self
    where
        A: Debug + PartialEq,
    {
        same_state(&self.story, &self.after(), &expected);
        self
    }

    /// The state after what happened is as it should be.
    ///
    /// # Panics
    /// When it is not or the command was rejected; the message shows the state.
    #[track_caller]
    pub fn then_state_matches(self, matches: impl FnOnce(&A) -> bool) -> Self
    where
        A: Debug,
    {
        matching_state(&self.story, &self.after(), matches);
        self
    }

    #[track_caller]
    fn error(&self, expected: &str) -> &A::Error {
        match &self.outcome {
            Err(error) => error,
            Ok(actual) => fail(&format!("{}it was {expected}, but it was accepted:\n{}", self.story, lines(actual))),
        }
    }

    #[track_caller]
    fn after(&self) -> A {
        let events = self.happened(|| "but a state was expected".to_owned());
        let mut state = self.before.clone();
        events.iter().for_each(|event| fold(&mut state, event));
        state
    }

    #[track_caller]
    fn happened(&self, expected: impl FnOnce() -> String) -> &[A::Event] {
        match &self.outcome {
            Ok(events) => events,
            Err(error) => fail(&format!("{}it was rejected: {error} ({error:?}), {}", self.story, expected())),
        }
    }
}

#[track_caller]
fn same_state<A: Debug + PartialEq>(story: &str, actual: &A, expected: &A) {
    if actual != expected {
        let differences = difference(&format!("{expected:#?}\n"), &format!("{actual:#?}\n"));
        fail(&format!("{story}then the state is (- expected, + actual):\n{differences}"))
    }
}

#[track_caller]
fn matching_state<A: Debug>(story: &str, actual: &A, matches: impl FnOnce(&A) -> bool) {
    if !matches(actual) {
        fail(&format!("{story}then the state is not as it should be:\n{actual:#?}"))
    }
}
