//! What a derived id wraps.

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

/// Stands in front of `Display` and `FromStr` for the sake of its message.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the value of an id",
    label = "an id is displayed in a stream's name and parsed from it",
    note = "wrap a type that implements `Display` and `FromStr`: `String`, a number, a UUID"
)]
pub trait IdValue: Sized {
    /// Why a text is no such value.
    type Err;

    /// As `Display` does.
    ///
    /// # Errors
    /// As `Display` does.
    fn display(&self, f: &mut Formatter<'_>) -> fmt::Result;

    /// As `FromStr` does.
    ///
    /// # Errors
    /// As `FromStr` does.
    fn parse(text: &str) -> Result<Self, Self::Err>;
}

#[diagnostic::do_not_recommend]
impl<T: Display + FromStr> IdValue for T {
    type Err = <T as FromStr>::Err;

    fn display(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.fmt(f)
    }

    fn parse(text: &str) -> Result<Self, Self::Err> {
        text.parse()
    }
}
