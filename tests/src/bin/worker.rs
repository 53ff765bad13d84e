//! A process that the tests start, stop and kill.

fn main() {
    cqrs_tests::worker::main();
}
