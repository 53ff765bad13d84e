//! The CDNOW purchase history as commands, events, read models and past states

fn main() {}
