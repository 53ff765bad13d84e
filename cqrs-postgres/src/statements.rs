//! The statements, one file each, with the schema's name put in once.

use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Postgres, SqlSafeStr, SqlStr};

use crate::schema::Schema;

pub(crate) type PgQuery<'q> = Query<'q, Postgres, PgArguments>;

macro_rules! statements {
    ($(#[$doc:meta])* $statements:ident: $($name:ident = $path:literal),* $(,)?) => {
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub(crate) struct $statements {
            $(pub $name: SqlStr,)*
            persistent: bool,
        }

        impl $statements {
            /// Behind a pooler no statement outlives its transaction: none is persistent.
            pub fn new(schema: &Schema, persistent: bool) -> Self {
                Self { $($name: render(schema, include_str!(concat!("../sql/", $path))),)* persistent }
            }

            /// One of these statements, to be executed.
            pub fn query(&self, statement: &SqlStr) -> PgQuery<'static> {
                sqlx::query(statement.clone()).persistent(self.persistent)
            }
        }
    };
}

statements! {
    /// Of an event store.
    Statements:
    append = "event_store/append.sql",
    lock = "event_store/lock.sql",
    lock_in = "event_store/lock_in.sql",
    heads = "event_store/heads.sql",
    existing = "event_store/existing.sql",
    claims = "event_store/claims.sql",
    claim = "event_store/claim.sql",
    matches = "event_store/matches.sql",
    clock = "event_store/clock.sql",
    stage = "event_store/stage.sql",
    import = "event_store/import.sql",
    take_in = "event_store/take_in.sql",
    take_in_tags = "event_store/take_in_tags.sql",
    imported = "event_store/imported.sql",
    notify = "event_store/notify.sql",
    end_zombies = "event_store/end_zombies.sql",
    head = "event_store/head.sql",
    recorded_types = "event_store/recorded_types.sql",
    read_stream_forward = "event_store/read_stream_forward.sql",
    read_stream_backward = "event_store/read_stream_backward.sql",
    read_all = "event_store/read_all.sql",
    read_event_types = "event_store/read_event_types.sql",
    read_categories = "event_store/read_categories.sql",
    read_query = "event_store/read_query.sql",
    list_streams = "event_store/list_streams.sql",
    stream_moment = "stream_facts/moment.sql",
    find_stream_facts = "stream_facts/find.sql",
    list_stream_facts = "stream_facts/list.sql",
    save_stream_facts = "stream_facts/save.sql",
    remove_stream_facts = "stream_facts/remove.sql",
    save_snapshot = "snapshot_store/save.sql",
    newest_snapshot = "snapshot_store/newest.sql",
    prune_snapshots = "snapshot_store/prune.sql",
    streams_with_snapshots = "snapshot_store/streams.sql",
    prune_streams = "snapshot_store/prune_streams.sql",
    clear_snapshots = "snapshot_store/clear.sql",
    load_checkpoint = "checkpoint_store/load.sql",
    save_checkpoint = "checkpoint_store/save.sql",
    heartbeat = "lease/heartbeat.sql",
    acquire_lease = "lease/acquire.sql",
    release_lease = "lease/release.sql",
    leave = "lease/leave.sql",
    leases = "lease/leases.sql",
    take_dead_letters_over = "dead_letter_store/take_over.sql",
    parked_documents = "dead_letter_store/parked.sql",
    keep_dead_letters = "dead_letter_store/keep.sql",
    waiting_dead_letters = "dead_letter_store/waiting.sql",
    note_removal = "dead_letter_store/note_removal.sql",
    settle_dead_letters = "dead_letter_store/settle.sql",
    dead_letter_failed = "dead_letter_store/failed_again.sql",
    documents_to_replay = "dead_letter_store/to_replay.sql",
    partitions_to_replay = "dead_letter_store/partitions_to_replay.sql",
    replay_dead_letters = "dead_letter_store/replay.sql",
    discard_dead_letter = "dead_letter_store/discard.sql",
    find_dead_letter = "dead_letter_store/find.sql",
    list_dead_letters = "dead_letter_store/list.sql",
    count_dead_letters = "dead_letter_store/count.sql",
    retain_dead_letters = "dead_letter_store/retain.sql",
    enqueue = "outbox/enqueue.sql",
    claim_lanes = "outbox/claim.sql",
    open_messages = "outbox/open.sql",
    publish_messages = "outbox/publish.sql",
    fail_messages = "outbox/fail.sql",
    release_lanes = "outbox/release.sql",
    lock_quiet_lanes = "outbox/lock_quiet.sql",
    forget_lanes = "outbox/forget.sql",
    linger_on_lanes = "outbox/linger.sql",
    wait_for_messages = "outbox/wait.sql",
    remove_messages = "outbox/remove.sql",
    restore_lanes = "outbox/restore_lanes.sql",
    outbox_status = "outbox/status.sql",
    parked_messages = "outbox/parked.sql",
    retry_messages = "outbox/retry.sql",
    discard_message = "outbox/discard.sql",
}

statements! {
    /// Of a read model, as far as they name no projection.
    ReadModelStatements:
    set_local = "read_model/set_local.sql",
    live = "read_model/live.sql",
    generations = "read_model/generations.sql",
    register = "read_model/register.sql",
    lock = "read_model/lock.sql",
    insert_generation = "read_model/insert_generation.sql",
    indexes = "read_model/indexes.sql",
    insert_index = "read_model/insert_index.sql",
    annotate = "read_model/annotate.sql",
    note = "read_model/note.sql",
    swap = "read_model/swap.sql",
    close = "read_model/close.sql",
    closed = "read_model/closed.sql",
    drop = "read_model/drop.sql",
    fence = "read_model/fence.sql",
    checkpoint = "read_model/checkpoint.sql",
    apply = "read_model/apply.sql",
    refused = "read_model/refused.sql",
}

/// Safe: the only thing put in is a checked schema name.
pub(crate) fn render(schema: &Schema, sql: &str) -> SqlStr {
    AssertSqlSafe(schema.render(sql)).into_sql_str()
}
