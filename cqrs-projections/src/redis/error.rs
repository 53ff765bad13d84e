//! What errors of Redis mean to a caller: the only place that knows their codes.

use cqrs_core::{Failure, ReadModelError};
use redis::{ErrorKind, RedisError, ServerErrorKind};

/// Codes of a server that may do the same later: it starts, fails over, is full, or is held up by a script.
const LATER: [&str; 13] = [
    "ASK",
    "BUSY",
    "CLUSTERDOWN",
    "LOADING",
    "MASTERDOWN",
    "MISCONF",
    "MOVED",
    "NOMASTERLINK",
    "NOREPLICAS",
    "NOSCRIPT",
    "OOM",
    "READONLY",
    "TRYAGAIN",
];

/// The decision that an error of the client or the server leads to.
pub(super) fn decide(error: RedisError) -> ReadModelError {
    match error.kind() {
        // Timeouts too. The script may have run: every call of the port may be repeated.
        ErrorKind::Io
        | ErrorKind::ClusterConnectionNotFound
        | ErrorKind::MasterNameNotFoundBySentinel
        | ErrorKind::NoValidReplicasFoundBySentinel => transient(error),
        ErrorKind::Parse | ErrorKind::UnexpectedReturnType => {
            ReadModelError::Corrupt { what: format!("an answer of another form than expected: {error}") }
        }
        ErrorKind::Server(_) | ErrorKind::Extension => {
            let code = code(&error);
            if LATER.contains(&code) || too_many_clients(&error) || slot_moves(&error) {
                transient(error)
            } else if code == "WRONGTYPE" {
                ReadModelError::Corrupt { what: format!("a key of another type than expected: {error}") }
            } else {
                permanent(error)
            }
        }
        _ => permanent(error),
    }
}

/// Whether the connection must be replaced. After a timeout nobody knows whether the other end is still there: a load
/// balancer may go on to acknowledge for a server that is gone.
pub(super) fn ends_connection(error: &RedisError) -> bool {
    // READONLY: the name may lead to another server after a failover.
    error.is_unrecoverable_error() || error.is_timeout() || code(error) == "READONLY"
}

fn transient(error: RedisError) -> ReadModelError {
    ReadModelError::Transient(Failure::new(error))
}

fn permanent(error: RedisError) -> ReadModelError {
    ReadModelError::Permanent(Failure::new(error))
}

/// The code of a server's error. Before Redis 7 an error within a script is `ERR Error running script (…): … CODE …`.
fn code(error: &RedisError) -> &str {
    let code = error.code().unwrap_or_default();
    let inner = error.detail().filter(|detail| code == "ERR" && detail.starts_with("Error running script"));
    let mut words = inner.unwrap_or_default().split_ascii_whitespace().map(|word| word.trim_start_matches('-'));
    words.find(|word| LATER.contains(word) || *word == "WRONGTYPE").unwrap_or(code)
}

fn too_many_clients(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::ResponseError)
        && error.detail().is_some_and(|detail| detail.starts_with("max number of clients"))
}

/// A script came upon a key that is missing in a slot that moves, or upon a cluster that is down. It had written nothing by then.
fn slot_moves(error: &RedisError) -> bool {
    let text = error.detail().unwrap_or_default();
    text.contains("Script attempted to access") && !text.contains("do not hash to the same slot")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(line: &str) -> ReadModelError {
        let value = redis::parse_redis_value(format!("-{line}\r\n").as_bytes()).unwrap();
        decide(value.extract_error().unwrap_err())
    }

    #[test]
    fn a_server_that_may_do_it_later_is_transient() {
        for line in [
            "LOADING Redis is loading the dataset in memory",
            "BUSY Redis is busy running a script.",
            "TRYAGAIN Multiple keys request during rehashing of slot",
            "CLUSTERDOWN Hash slot not served",
            "READONLY You can't write against a read only replica.",
            "MASTERDOWN Link with MASTER is down",
            "OOM command not allowed when used memory > 'maxmemory'. script: 1f, on @user_script:3.",
            "MISCONF Errors writing to the AOF file: No space left on device",
            "NOREPLICAS Not enough good replicas to write.",
            "NOSCRIPT No matching script.",
            "ERR max number of clients reached",
            "ERR Script attempted to access a non local key in a cluster node script: 1f, on @user_script:3.",
            "ERR Script attempted to access keys while cluster is down script: 1f, on @user_script:3.",
            "ERR Error running script (call to f_1f): @user_script:3: -OOM command not allowed",
        ] {
            assert!(answer(line).is_transient(), "{line}");
        }
    }

    #[test]
    fn a_key_of_another_type_is_corrupt() {
        for line in [
            "WRONGTYPE Operation against a key holding the wrong kind of value",
            "ERR Error running script (call to f_1f): @user_script:3: WRONGTYPE Operation against a key",
        ] {
            assert!(matches!(answer(line), ReadModelError::Corrupt { .. }), "{line}");
        }
    }

    #[test]
    fn what_will_not_change_by_itself_is_permanent() {
        for line in [
            "ERR unknown command 'EVALSHA'",
            "NOPERM this user has no permissions to run the 'evalsha' command",
            "NOAUTH Authentication required.",
            "WRONGPASS invalid username-password pair",
            "CROSSSLOT Keys in request don't hash to the same slot",
            "ERR Script attempted to access keys that do not hash to the same slot script: 1f",
        ] {
            assert!(matches!(answer(line), ReadModelError::Permanent(_)), "{line}");
        }
    }

    #[test]
    fn a_connection_is_replaced_after_a_timeout_and_a_failover() {
        let timeout = std::io::Error::from(std::io::ErrorKind::TimedOut);
        assert!(ends_connection(&timeout.into()));
        let value = redis::parse_redis_value(b"-READONLY You can't write\r\n").unwrap();
        assert!(ends_connection(&value.extract_error().unwrap_err()));
        let value = redis::parse_redis_value(b"-OOM command not allowed\r\n").unwrap();
        assert!(!ends_connection(&value.extract_error().unwrap_err()));
    }
}
