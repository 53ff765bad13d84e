//! An account: events, replay, time travel and snapshots

fn main() {}
