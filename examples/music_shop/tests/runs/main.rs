//! The program, run as a user runs it: in memory, on the real services, killed in the middle, and with bad input.

mod file;
mod killed;
mod malformed;
mod place;
mod whole;
