//! The program, run as a user runs it: on a file, on the real services, killed in the middle, and with bad input.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod directory;
mod file;
mod killed;
mod malformed;
mod whole;

use showcase::place::Program;

const SHOP: Program = Program::new(env!("CARGO_BIN_EXE_music_shop"), "MUSIC_SHOP_SCHEMA");
