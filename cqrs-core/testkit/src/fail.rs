//! How a test fails.

#[track_caller]
#[allow(clippy::panic, reason = "a test that fails is what it is for")]
pub(crate) fn fail(message: &str) -> ! {
    panic!("{message}")
}
