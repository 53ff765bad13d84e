//! The statements, one file each.

macro_rules! statements {
    ($($name:ident = $path:literal),* $(,)?) => {
        $(pub(crate) const $name: &str = include_str!(concat!("../sql/", $path));)*
    };
}

statements! {
    APPEND = "event_store/append.sql",
    BEGIN = "event_store/begin.sql",
    CLAIMS = "event_store/claims.sql",
    CLAIM = "event_store/claim.sql",
    FIND = "event_store/find.sql",
    MATCHING = "event_store/matching.sql",
    IMPORTED = "event_store/imported.sql",
    HEAD = "event_store/head.sql",
    RECORDED_TYPES = "event_store/recorded_types.sql",
    NEWEST = "event_store/newest.sql",
    READ_STREAM_FORWARD = "event_store/read_stream_forward.sql",
    READ_STREAM_BACKWARD = "event_store/read_stream_backward.sql",
    READ_ALL = "event_store/read_all.sql",
    READ_EVENT_TYPES = "event_store/read_event_types.sql",
    READ_CATEGORIES = "event_store/read_categories.sql",
    READ_POSITIONS = "event_store/read_positions.sql",
    LIST_STREAMS = "event_store/list_streams.sql",
    STREAM_MOMENT = "stream_facts/moment.sql",
    FIND_STREAM_FACTS = "stream_facts/find.sql",
    LIST_STREAM_FACTS = "stream_facts/list.sql",
    SAVE_STREAM_FACTS = "stream_facts/save.sql",
    REMOVE_STREAM_FACTS = "stream_facts/remove.sql",
    SAVE_SNAPSHOT = "snapshot_store/save.sql",
    NEWEST_SNAPSHOT = "snapshot_store/newest.sql",
    PRUNE_SNAPSHOTS = "snapshot_store/prune.sql",
    STREAMS_WITH_SNAPSHOTS = "snapshot_store/streams.sql",
    PRUNE_STREAMS = "snapshot_store/prune_streams.sql",
    CLEAR_SNAPSHOTS = "snapshot_store/clear.sql",
    LOAD_CHECKPOINT = "checkpoint_store/load.sql",
    SAVE_CHECKPOINT = "checkpoint_store/save.sql",
    ANNOUNCE = "lease/announce.sql",
    RENEW_LEASES = "lease/renew.sql",
    ACQUIRE_LEASE = "lease/acquire.sql",
    RELEASE_LEASE = "lease/release.sql",
    RELEASE_ALL_LEASES = "lease/release_all.sql",
    LEAVE = "lease/leave.sql",
    LEASES = "lease/leases.sql",
    TAKE_DEAD_LETTERS_OVER = "dead_letter_store/take_over.sql",
    DEAD_LETTER_OWNER = "dead_letter_store/owner.sql",
    PARKED_DOCUMENTS = "dead_letter_store/parked.sql",
    KEEP_DEAD_LETTERS = "dead_letter_store/keep.sql",
    WAITING_DEAD_LETTERS = "dead_letter_store/waiting.sql",
    NOTE_REMOVAL = "dead_letter_store/note_removal.sql",
    REMOVE_DEAD_LETTERS = "dead_letter_store/remove.sql",
    UNMARK_DEAD_LETTERS = "dead_letter_store/unmark.sql",
    DEAD_LETTER_FAILED = "dead_letter_store/failed_again.sql",
    DOCUMENTS_TO_REPLAY = "dead_letter_store/to_replay.sql",
    PARTITIONS_TO_REPLAY = "dead_letter_store/partitions_to_replay.sql",
    REPLAY_DEAD_LETTERS = "dead_letter_store/replay.sql",
    DISCARD_DEAD_LETTER = "dead_letter_store/discard.sql",
    FIND_DEAD_LETTER = "dead_letter_store/find.sql",
    LIST_DEAD_LETTERS = "dead_letter_store/list.sql",
    COUNT_DEAD_LETTERS = "dead_letter_store/count.sql",
    RETAIN_DEAD_LETTER_OWNERS = "dead_letter_store/retain_owners.sql",
    RETAIN_DEAD_LETTERS = "dead_letter_store/retain.sql",
    RETAIN_DEAD_LETTER_MARKS = "dead_letter_store/retain_marks.sql",
    FORMAT = "migrate/format.sql",
}

/// The statement that appends so many events at once. Safe: the only thing added is the row of placeholders again.
pub(crate) fn append(events: usize) -> String {
    let sql = APPEND.trim_end();
    let row = sql.rsplit_once("values ").map_or("", |(_, row)| row);
    format!("{sql}{}", format!(", {row}").repeat(events.saturating_sub(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_append_of_several_events_has_a_row_for_each() {
        assert_eq!(append(1), APPEND.trim_end());
        assert_eq!(append(3).matches("(?, ?, ?, ?, ?, ?, ?, ?, ?)").count(), 3);
    }
}
