//! The lists of behaviours: what a backend runs, each as a test of its own name.

/// Emits one test for each behaviour of a port. The lists below are the only ones, so that no backend can forget one.
#[doc(hidden)]
#[macro_export]
macro_rules! contract_tests {
    ($fixture:expr; $($module:tt: $($behaviour:ident)+;)+) => {
        $crate::contract_tests!(@each $fixture; $($($module $behaviour)+)+);
    };
    (@each $fixture:expr; $([$($path:tt)+] $behaviour:ident)+) => {
        $(
            #[test]
            fn $behaviour() {
                $crate::run($fixture, $crate::$($path)+::$behaviour);
            }
        )+
    };
}

/// The contract of [`EventStore`](cqrs_core::EventStore): one test for each behaviour, emitted where the macro stands.
///
/// The argument is an `async fn` (or closure) without parameters that gives a fresh [`Fixture`](crate::Fixture).
/// ```
/// mod event_store {
///     use std::sync::Arc;
///     use cqrs_core::{EventStore, in_memory::InMemoryEventStore};
///     use cqrs_testkit::Fixture;
///
///     async fn fresh() -> Fixture<dyn EventStore> {
///         Fixture::new(Arc::new(InMemoryEventStore::new()))
///     }
///
///     cqrs_testkit::event_store_contract!(fresh);
/// }
/// ```
#[macro_export]
macro_rules! event_store_contract {
    ($fixture:expr) => {
        $crate::contract_tests! { $fixture;
            [event_store::appending]:
                the_answer_says_where_the_events_stand
                the_events_of_one_append_follow_each_other
                versions_of_a_stream_go_on_where_it_ended
                a_thousand_events_go_into_one_append
                a_thousand_streams_go_into_one_append
                what_was_written_is_read_at_once
                an_event_that_was_written_is_never_changed
                equal_events_under_their_own_ids_are_all_kept
                ids_need_not_increase;
            [event_store::archiving]:
                of_most_streams_nothing_is_known
                an_archived_stream_says_since_when
                archiving_again_keeps_the_first_moment
                a_stream_that_does_not_exist_can_be_neither_archived_nor_restored
                an_append_to_an_archived_stream_is_refused_whatever_is_expected
                nothing_is_written_when_one_of_the_streams_is_archived
                a_condition_on_an_archived_stream_that_is_not_written_decides_as_before
                what_an_archived_stream_holds_can_be_appended_again
                archived_streams_do_not_harm_the_appends_beside_them
                an_archived_stream_is_read_as_before
                a_restored_stream_goes_on_where_it_ended
                pages_skip_archived_streams_when_told_to
                reading_until_a_position_skips_archived_streams_too
                a_subscription_skips_archived_streams_when_told_to
                streams_of_which_something_is_known_are_listed_page_by_page
                each_of_many_parallel_appends_lies_before_the_archive_or_is_refused;
            [event_store::cancellation]:
                a_dropped_append_is_written_wholly_or_not_at_all_and_its_outcome_is_final
                a_dropped_append_can_be_repeated
                dropped_appends_do_not_harm_their_neighbours;
            [event_store::claims]:
                a_key_is_held_by_the_stream_that_took_it
                a_stream_may_take_again_what_it_holds
                a_key_that_was_released_is_free
                releasing_what_the_stream_does_not_hold_changes_nothing
                an_event_releases_before_it_takes
                the_events_of_an_append_take_and_release_in_order
                an_append_that_is_refused_for_one_key_takes_and_releases_none
                keys_of_other_scopes_and_other_letters_are_other_keys
                an_event_takes_many_keys_of_the_longest_values
                a_conflict_is_told_before_a_held_key
                a_claiming_append_is_repeated_whoever_holds_the_key_by_now
                two_streams_that_take_one_key_in_one_append_are_malformed
                an_unclaimed_key_is_a_condition_that_takes_nothing
                the_metadata_keeps_the_keys_and_not_their_values
                of_fifty_parallel_sign_ups_one_wins_and_the_others_learn_who_did
                parallel_duplicates_of_one_claiming_append_all_succeed_and_write_once
                a_key_that_goes_from_hand_to_hand_is_never_in_two
                claims_that_are_refused_do_not_harm_their_neighbours;
            [event_store::commands]:
                a_command_that_comes_again_gets_the_first_outcome_whoever_is_asked
                a_command_that_would_be_rejected_by_now_gets_the_first_outcome
                a_command_that_was_rejected_is_decided_again_and_may_then_succeed
                a_command_that_had_nothing_to_do_is_decided_again
                parallel_repetitions_of_a_command_write_once_and_all_get_the_first_outcome
                a_command_whose_caller_has_gone_is_found_out_by_repeating_it
                what_was_known_at_one_time_of_what_had_happened_by_another_never_changes;
            [event_store::conditions]:
                any_version_holds_for_every_stream
                no_stream_holds_until_the_first_event
                an_existing_stream_has_an_event
                an_exact_version_is_that_of_the_newest_event
                a_condition_speaks_of_its_own_stream_only
                several_streams_are_written_when_all_conditions_hold
                no_stream_is_written_when_one_of_the_conditions_fails
                a_condition_on_a_stream_that_is_not_written_decides_too;
            [event_store::envelope]:
                a_payload_comes_back_byte_for_byte
                a_payload_need_not_be_an_object
                ids_of_any_uuid_version_come_back
                names_of_streams_and_types_come_back
                names_of_streams_that_differ_in_a_detail_are_different_streams
                the_occurred_time_is_exact_to_the_microsecond
                the_occurred_time_does_not_touch_the_clock
                all_metadata_comes_back
                metadata_that_is_not_set_stays_so
                events_of_one_append_keep_metadata_of_their_own
                the_store_sets_the_append_id_the_same_for_all_events_of_an_append
                a_name_of_a_stream_may_look_like_a_statement;
            [event_store::listing_streams]:
                a_category_without_events_has_no_streams
                streams_are_listed_with_their_newest_versions
                streams_are_listed_in_the_byte_order_of_their_names
                categories_that_look_alike_are_not_listed_together
                paging_through_the_streams_gives_each_once
                a_page_of_streams_that_leaves_some_out_says_that_there_is_more
                listing_goes_on_after_a_name_that_is_no_stream;
            [event_store::malformed]:
                an_append_without_events_is_refused
                an_id_that_stands_twice_in_an_append_is_refused
                two_conditions_on_one_stream_are_refused
                more_events_than_fit_into_one_append_are_refused
                a_payload_with_a_nul_character_is_refused
                a_payload_that_is_no_json_is_refused
                a_payload_that_is_no_utf_8_is_refused
                a_payload_that_is_nested_too_deeply_is_refused
                an_event_that_is_too_large_is_refused_and_the_largest_is_kept
                metadata_counts_for_the_size_of_an_event
                metadata_with_a_nul_character_is_refused
                an_append_that_cannot_be_written_fails_alone_in_its_group;
            [event_store::outcome]:
                all_who_ask_at_once_get_the_same_outcome
                the_outcome_of_what_was_never_written_is_none
                the_outcome_of_what_was_written_is_where_it_stands
                ids_of_which_only_some_are_known_are_reused
                the_outcome_of_an_append_that_is_being_written_is_all_or_nothing
                the_head_of_an_empty_log_is_its_start
                the_head_is_the_newest_event
                the_store_keeps_its_id;
            [event_store::parallel]:
                twenty_parallel_appends_that_succeed_are_twenty_in_the_log
                twenty_parallel_appends_to_streams_of_their_own_all_succeed
                one_of_many_writers_wins_each_version_and_the_others_learn_who_is_there
                writers_that_try_again_after_a_conflict_all_get_through
                parallel_duplicates_of_one_append_all_succeed_and_write_once
                parallel_appends_to_overlapping_streams_are_atomic
                positions_clock_and_versions_are_sound_under_parallel_writers
                a_writer_sees_its_appends_in_order
                a_reader_of_pages_skips_nothing_while_others_write
                a_subscription_skips_nothing_while_others_write
                a_reader_never_sees_part_of_an_append;
            [event_store::query_conditions]:
                an_empty_result_guards
                what_was_known_is_no_conflict
                the_first_new_event_that_matches_is_named
                a_condition_without_a_position_forbids_any_event
                types_without_tags_are_a_condition
                a_type_and_a_tag_are_a_condition_together
                everything_is_a_condition
                any_item_of_a_query_is_in_the_way
                conditions_of_every_kind_hold_together
                an_append_is_repeated_though_its_own_events_match
                archived_streams_are_in_the_way_too
                events_from_before_a_truncation_are_in_the_way_too
                appends_in_one_group_are_in_each_others_way_in_order
                tags_that_do_not_overlap_never_conflict
                of_parallel_appends_on_one_condition_one_is_written
                writers_that_read_again_all_get_through
                a_condition_that_no_event_can_meet_is_malformed;
            [event_store::reading_all]:
                what_a_filter_names_twice_is_given_once
                an_empty_log_has_an_empty_page
                the_log_holds_all_streams_in_position_order
                reading_after_a_position_leaves_that_position_out
                reading_until_a_position_includes_it
                reading_beyond_the_head_promises_nothing_about_events_to_come
                the_log_is_filtered_by_category
                categories_that_look_alike_are_not_mixed_up
                the_log_is_filtered_by_event_type
                a_page_without_matching_events_moves_the_frontier
                a_large_page_is_read_like_small_ones
                a_page_of_large_events_is_cut_by_its_bytes
                reading_ahead_gives_every_event_once
                reading_ahead_gives_what_is_appended_meanwhile_once_and_in_order
                pages_of_any_size_are_together_what_the_filter_picks_from_the_window
                a_page_of_the_log_that_leaves_events_out_says_that_there_is_more;
            [event_store::reading_queries]:
                a_query_finds_events_of_any_of_its_types
                a_query_finds_events_that_have_all_of_its_tags
                a_query_finds_events_of_a_type_with_a_tag
                what_several_items_match_is_found_once
                a_query_without_items_is_every_event
                a_query_is_read_page_by_page_within_its_window
                a_query_passes_archived_streams_over_when_told_to
                a_subscription_follows_a_query
                a_tag_may_hold_anything_but_nul
                a_query_that_no_event_can_match_is_refused
                a_query_finds_what_looking_at_each_event_finds;
            [event_store::reading_streams]:
                a_stream_that_does_not_exist_is_empty
                a_stream_is_read_forward
                a_stream_is_read_backward
                a_window_of_versions_includes_its_bounds
                a_window_beyond_the_end_or_turned_around_is_empty
                reading_up_to_a_recorded_time_includes_that_time
                the_occurred_time_does_not_matter_for_reading_up_to_a_recorded_time
                reading_up_to_a_position_includes_that_position
                all_bounds_of_a_window_hold_together
                pages_of_any_size_are_together_the_window_in_either_direction
                a_page_that_leaves_events_out_says_that_there_is_more;
            [event_store::repetition]:
                the_first_of_six_events_again_answers_with_its_position
                all_six_events_again_answer_with_their_positions
                a_later_event_again_expecting_the_version_before_it_answers_with_its_position
                a_later_event_of_one_append_again_answers_with_its_own_position
                known_events_followed_by_a_new_one_are_a_conflict
                the_first_event_again_expecting_the_end_reuses_its_id
                a_new_event_followed_by_a_known_one_reuses_its_id_whatever_is_expected
                the_first_event_again_expecting_one_beyond_the_end_is_a_conflict
                a_known_id_in_another_stream_is_reused
                a_known_id_with_another_type_is_reused
                a_known_id_with_another_payload_is_reused
                known_events_in_another_order_reuse_their_ids
                an_append_is_repeated_after_the_stream_went_on
                an_append_to_several_streams_is_repeated_as_a_whole
                a_refused_append_can_be_repeated_when_the_condition_holds;
            [event_store::truncating]:
                a_truncated_stream_begins_at_that_version
                a_window_before_the_truncation_is_empty_and_says_why
                a_stream_that_is_not_truncated_says_so
                paging_through_a_truncated_stream_gives_every_event_once
                the_log_still_holds_what_was_cut_off
                versions_and_what_is_expected_of_them_stay
                what_was_cut_off_can_be_appended_again
                a_truncation_goes_forward_only
                a_truncation_beyond_the_end_is_refused
                truncating_before_the_first_event_does_nothing
                a_stream_can_be_archived_and_truncated;
        }
    };
}

/// The contract of [`Subscription`](cqrs_core::Subscription): one test for each behaviour, emitted where the macro stands.
///
/// The argument is an `async fn` (or closure) without parameters that gives a fresh [`Fixture`](crate::Fixture) of an event store: of the store whose subscriptions are tested.
#[macro_export]
macro_rules! subscription_contract {
    ($fixture:expr) => {
        $crate::contract_tests! { $fixture;
            [subscription]:
                it_catches_up_and_then_follows
                it_waits_for_the_first_event_of_an_empty_log
                it_delivers_events_as_they_were_recorded
                it_starts_in_the_middle
                it_starts_at_the_head
                it_delivers_what_matches_its_categories
                it_delivers_what_matches_its_event_types
                it_delivers_from_anywhere_what_its_filter_picks_from_the_log
                its_frontier_passes_events_that_do_not_match
                each_of_several_subscriptions_sees_everything
                a_subscription_that_is_dropped_does_not_hold_up_the_others
                a_next_that_is_dropped_loses_nothing
                hundreds_of_events_come_once_each_while_they_are_written
                more_events_than_fit_into_a_page_come_in_order;
        }
    };
}

/// The contract of [`SnapshotStore`](cqrs_core::SnapshotStore): one test for each behaviour, emitted where the macro stands.
///
/// The argument is an `async fn` (or closure) without parameters that gives a fresh [`Fixture`](crate::Fixture).
#[macro_export]
macro_rules! snapshot_store_contract {
    ($fixture:expr) => {
        $crate::contract_tests! { $fixture;
            [snapshot_store]:
                a_stream_without_snapshots_has_no_newest
                a_snapshot_comes_back_as_it_was_saved
                a_large_state_comes_back
                the_newest_has_the_highest_version_in_whatever_order_they_were_saved
                saving_the_same_version_again_replaces_it
                a_snapshot_of_another_state_version_is_passed_over
                a_snapshot_of_another_fingerprint_is_passed_over
                shapes_of_one_version_stand_beside_each_other
                as_of_a_version_includes_it
                as_of_a_position_includes_it
                as_of_a_recorded_time_includes_it
                as_of_an_occurred_time_needs_all_that_was_folded_to_have_happened
                as_of_two_times_needs_all_that_was_folded_to_be_recorded_and_to_have_happened
                as_of_passes_over_other_shapes
                streams_do_not_mix
                pruning_keeps_the_highest_versions_in_whatever_order_they_were_saved
                pruning_leaves_other_shapes_and_streams
                pruning_to_none_or_more_than_there_are
                pruning_streams_keeps_the_newest_of_one_shape_and_drops_the_others
                pruning_streams_leaves_other_categories
                pruning_streams_goes_page_by_page
                pruning_beside_saves_keeps_the_newest
                clearing_drops_all_snapshots_of_one_stream
                parallel_saves_all_arrive;
        }
    };
}

/// The contract of [`CheckpointStore`](cqrs_core::CheckpointStore): one test for each behaviour, emitted where the macro stands.
///
/// The argument is an `async fn` (or closure) without parameters that gives a fresh [`Fixture`](crate::Fixture).
#[macro_export]
macro_rules! checkpoint_store_contract {
    ($fixture:expr) => {
        $crate::contract_tests! { $fixture;
            [checkpoint_store]:
                a_reader_that_never_saved_has_no_checkpoint
                a_checkpoint_comes_back_whole
                a_checkpoint_moves_forward
                saving_the_same_checkpoint_again_changes_nothing
                a_checkpoint_never_goes_back
                a_newer_owner_does_not_go_back_either
                a_former_owner_is_fenced_wherever_it_stands
                a_newer_owner_goes_on_from_where_the_former_one_stood
                readers_do_not_mix
                parallel_saves_end_at_the_furthest;
        }
    };
}

/// The contract of [`LeaseStore`](cqrs_core::LeaseStore): one test for each behaviour, emitted where the macro stands.
///
/// The argument is an `async fn` (or closure) without parameters that gives a fresh [`Fixture`](crate::Fixture).
#[macro_export]
macro_rules! lease_store_contract {
    ($fixture:expr) => {
        $crate::contract_tests! { $fixture;
            [lease]:
                a_projection_that_nobody_joined_has_neither_members_nor_leases
                members_are_seen_once_they_are_announced
                a_lease_has_one_holder
                of_many_that_ask_at_once_one_gets_the_lease
                holding_a_lease_does_not_make_a_member
                partitions_rebuild_and_swap_are_leases_of_their_own
                a_lease_that_is_given_back_can_be_taken_at_once
                only_its_holder_gives_a_lease_back
                a_lease_that_is_not_renewed_runs_out
                a_lease_that_ran_out_is_not_listed
                a_heartbeat_renews_all_leases_of_its_member_and_no_others
                asking_again_renews_a_lease
                a_heartbeat_does_not_bring_back_what_ran_out
                a_member_without_heartbeats_is_forgotten
                who_leaves_gives_everything_back
                projections_do_not_mix
                a_holder_that_counts_from_before_it_asked_stops_before_another_one_starts;
        }
    };
}

/// The contract of [`DeadLetterStore`](cqrs_core::DeadLetterStore): one test for each behaviour, emitted where the macro
/// stands.
///
/// The argument is an `async fn` (or closure) without parameters that gives a fresh [`Fixture`](crate::Fixture).
#[macro_export]
macro_rules! dead_letter_store_contract {
    ($fixture:expr) => {
        $crate::contract_tests! { $fixture;
            [dead_letter_store::keeping]:
                a_target_without_letters_has_none
                a_letter_comes_back_as_it_was_kept
                a_letter_that_follows_has_no_failure
                a_letter_that_comes_again_stays_as_it_is
                a_discarded_letter_that_comes_again_stays_discarded
                letters_wait_in_the_order_of_their_positions
                any_key_and_any_error_come_back
                an_error_is_kept_up_to_a_length
                large_positions_are_kept_exactly
                five_thousand_letters_are_kept_at_once
                targets_and_documents_do_not_mix;
            [dead_letter_store::owning]:
                a_new_owner_is_told_where_each_parked_document_waits
                a_new_owner_is_told_of_discarded_letters_behind_its_checkpoint
                taking_over_again_under_the_same_token_is_right
                an_older_token_takes_nothing_over
                a_former_owner_changes_nothing
                a_target_without_owner_takes_no_letters
                partitions_and_generations_have_owners_of_their_own
                what_a_former_owner_sends_meanwhile_is_known_to_the_new_one_or_refused
                other_generations_are_dropped_with_their_owners;
            [dead_letter_store::replaying]:
                a_document_is_marked_with_all_of_its_letters
                all_documents_are_marked_at_once_and_events_without_document_are_not
                marks_are_found_by_partition
                letters_that_join_a_marked_document_are_marked
                letters_that_were_replayed_are_gone_and_later_ones_wait
                a_letter_that_failed_again_counts_on_and_its_document_is_marked_no_more
                a_removal_that_is_noted_can_be_seen;
            [dead_letter_store::discarding]:
                a_discarded_letter_waits_no_more_and_is_kept_with_its_reason
                a_document_goes_on_with_what_follows_a_discarded_letter
                a_document_whose_last_letter_is_discarded_is_marked_until_it_is_settled
                what_is_being_replayed_cannot_be_discarded
                a_letter_is_discarded_once
                an_event_without_document_is_discarded_alone;
            [dead_letter_store::listing]:
                letters_are_listed_in_the_order_of_their_positions
                letters_are_listed_by_generation_document_and_state
                letters_are_listed_page_by_page
                waiting_letters_are_counted
                a_letter_is_found_in_its_projection_only;
        }
    };
}

/// The contract of [`ReadModel`](cqrs_core::ReadModel): one test for each behaviour, emitted where the macro stands.
///
/// The argument is an `async fn` (or closure) without parameters that gives a fresh [`Fixture`](crate::Fixture). Where the
/// sink wants to know the shape of documents: `seen` is a list of integers, `note` a text.
#[macro_export]
macro_rules! read_model_contract {
    ($fixture:expr) => {
        $crate::contract_tests! { $fixture;
            [read_model::batches]:
                a_batch_writes_its_documents_and_the_checkpoint
                a_later_batch_replaces_documents_and_leaves_the_others
                a_batch_without_documents_moves_the_checkpoint
                a_checkpoint_keeps_large_positions_exactly
                a_batch_that_is_delivered_twice_changes_nothing_the_second_time
                parallel_deliveries_of_one_batch_leave_it_applied_once
                an_earlier_batch_again_is_out_of_sequence
                batches_that_overlap_or_leave_a_gap_are_out_of_sequence
                a_batch_that_ends_where_it_starts_is_written_whenever_the_checkpoint_stands_there
                a_batch_that_ends_where_it_starts_is_written_where_no_checkpoint_was_yet
                however_events_are_cut_into_batches_the_documents_are_the_same
                a_runner_that_starts_again_goes_on_where_the_checkpoint_stands
                a_batch_that_was_torn_is_delivered_again_cut_otherwise
                a_removed_document_is_gone_and_stays_so_when_its_removal_is_delivered_again
                a_removed_document_comes_back_by_a_later_event
                removing_what_never_was_does_nothing
                five_thousand_documents_go_into_one_batch;
            [read_model::fencing]:
                a_target_that_nobody_owned_has_neither_token_nor_checkpoint
                the_first_owner_finds_no_checkpoint
                a_new_owner_is_handed_the_checkpoint
                a_token_that_is_not_newer_takes_nothing_over
                the_largest_token_is_kept_exactly
                a_former_owner_changes_neither_documents_nor_the_checkpoint
                a_former_owner_is_fenced_before_the_new_one_wrote_anything
                a_new_owner_goes_on_from_the_checkpoint
                partitions_and_generations_are_fenced_each_for_itself
                one_of_two_owners_with_the_same_token_wins
                the_newest_of_many_owners_that_come_at_once_stays
                a_takeover_in_the_midst_of_the_former_owners_batches_loses_and_doubles_nothing;
            [read_model::generations]:
                a_projection_that_was_never_opened_has_no_generation
                opening_creates_the_first_generation_once
                opening_at_once_creates_one_generation
                opening_leaves_what_is_there
                a_generation_begins_empty_above_all_others_and_leaves_the_live_one
                generations_that_begin_at_once_have_numbers_of_their_own
                filling_a_generation_leaves_the_live_one_as_it_is
                swapping_makes_another_generation_live
                swapping_back_is_possible_until_the_former_generation_is_dropped
                a_generation_that_is_not_there_cannot_be_swapped_to
                readers_see_all_documents_of_one_generation_while_it_is_swapped
                the_live_generation_cannot_be_dropped
                dropping_what_is_not_there_does_nothing
                a_former_generation_is_dropped_with_all_its_partitions
                writing_to_a_dropped_generation_fails_and_does_not_bring_it_back
                writing_to_a_generation_that_never_began_fails
                a_writer_of_a_dropped_generation_cannot_write_to_the_one_that_begins_after_it
                projections_have_generations_of_their_own;
            [read_model::listing]:
                every_document_of_a_generation_is_listed_whatever_the_pages
                removed_documents_are_not_listed
                what_was_just_written_is_listed
                generations_are_listed_each_for_itself_live_or_not
                documents_that_stay_are_listed_while_others_come_and_go
                a_generation_that_is_not_there_is_not_taken_for_an_empty_one
                a_generation_is_read_by_key_whatever_is_live
                a_note_is_kept_with_its_generation_and_goes_with_it
                a_generation_that_is_not_there_takes_no_note;
            [read_model::loading]:
                documents_come_in_the_order_of_the_keys_and_missing_ones_are_none
                no_keys_give_no_documents
                a_target_without_documents_gives_none
                documents_are_loaded_as_they_are_at_this_moment
                a_document_comes_back_as_it_was_written
                keys_may_be_long
                keys_may_hold_any_character_but_control_characters
                keys_that_look_alike_are_not_mixed_up
                keys_that_sinks_use_for_themselves_are_free
                documents_of_two_projections_and_generations_do_not_mix
                a_lookup_comes_back_as_it_was_written_and_is_removed_like_a_document;
            [read_model::partitions]:
                a_generation_keeps_its_number_of_partitions
                a_live_generation_with_another_number_of_partitions_does_not_fit
                openers_that_disagree_at_once_leave_one_number_of_partitions
                a_generation_with_another_number_of_partitions_can_be_made_live
                partitions_hold_documents_and_checkpoints_of_their_own
                documents_are_found_whatever_their_partitions
                documents_are_found_after_a_swap_to_another_number_of_partitions;
            [read_model::typed_reads]:
                a_document_is_read_by_its_key
                documents_are_read_in_the_order_of_their_keys
                a_projection_that_was_never_opened_has_no_documents
                a_removed_document_is_none
                a_document_of_another_shape_is_corrupt
                a_lookup_is_no_document
                a_generation_is_read_from_when_it_becomes_the_live_one
                a_reader_outlives_the_generation_that_it_began_with;
        }
    };
}

/// The contract of [`ImportEvents`](cqrs_core::ImportEvents): one test for each behaviour, emitted where the macro stands.
///
/// The argument is an `async fn` (or closure) without parameters that gives a fresh [`Fixture`](crate::Fixture) of a
/// `dyn` [`ImportingStore`](crate::ImportingStore).
#[macro_export]
macro_rules! import_contract {
    ($fixture:expr) => {
        $crate::contract_tests! { $fixture;
            [import]:
                history_is_taken_in_byte_for_byte
                history_exported_elsewhere_is_exported_again_byte_for_byte
                nothing_is_taken_in_when_there_is_nothing
                importing_again_leaves_what_is_there
                appends_go_on_after_imported_history
                a_subscription_sees_imported_history_once
                an_archived_stream_takes_in_no_history
                a_position_that_does_not_follow_is_refused
                a_version_that_does_not_follow_is_refused
                a_recorded_time_that_does_not_follow_or_lies_ahead_is_refused
                an_event_id_that_is_in_use_is_refused
                an_event_that_no_append_could_write_is_refused
                claims_come_with_the_history
                claims_go_through_json_lines_into_another_history
                history_that_takes_what_another_stream_holds_is_refused
                claims_that_are_none_are_refused
                tags_come_with_the_history;
        }
    };
}

/// The contract of [`RecordedTypes`](cqrs_core::RecordedTypes): one test for each behaviour, emitted where the macro stands.
///
/// The argument is an `async fn` (or closure) without parameters that gives a fresh [`Fixture`](crate::Fixture) of a
/// `dyn` [`TypedStore`](crate::TypedStore).
#[macro_export]
macro_rules! recorded_types_contract {
    ($fixture:expr) => {
        $crate::contract_tests! { $fixture;
            [recorded_types]:
                a_log_without_events_holds_no_types
                each_type_is_told_once_in_order
                the_types_of_archived_streams_are_told_too;
        }
    };
}

/// What an [`EventStore`](cqrs_core::EventStore) over a database does when the database itself refuses an event: one test
/// for each behaviour, emitted where the macro stands.
///
/// The argument is as that of [`event_store_contract`], but the fixture's database refuses events of the type
/// `account.poisoned.v1`, by a constraint or a trigger of the fixture's own.
#[macro_export]
macro_rules! poisoned_event_store_contract {
    ($fixture:expr) => {
        $crate::contract_tests! { $fixture;
            [event_store::malformed]:
                an_append_that_the_database_refuses_fails_alone_in_its_group;
            [event_store::claims]:
                a_key_that_the_database_refused_to_an_append_goes_to_the_next_one;
        }
    };
}

/// The contract of [`Publisher`](cqrs_core::Publisher): one test for each behaviour, emitted where the macro stands.
///
/// The argument is an `async fn` (or closure) without parameters that gives a fresh [`Fixture`](crate::Fixture) of an
/// [`ObservedPublisher`](crate::ObservedPublisher), whose broker can be looked into.
#[macro_export]
macro_rules! publisher_contract {
    ($fixture:expr) => {
        $crate::contract_tests! { $fixture;
            [publisher]:
                a_message_arrives_as_it_was_given
                a_message_without_key_headers_and_payload_arrives_too
                a_call_without_messages_has_no_outcomes
                messages_of_one_key_arrive_in_order
                topics_are_kept_apart
                the_largest_message_arrives
                a_message_that_is_too_large_is_refused_for_good
                after_a_message_that_was_refused_those_of_its_key_are_withheld
                a_message_that_was_refused_holds_up_no_other_key
                a_message_that_is_published_again_keeps_its_id
                parallel_calls_all_arrive;
        }
    };
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::path::Path;

    fn behaviours(folder: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                behaviours(&path, found);
            } else {
                let source = std::fs::read_to_string(&path).unwrap();
                let names = source.lines().filter_map(|line| line.strip_prefix("pub async fn ")?.split('(').next());
                found.extend(names.map(str::to_owned));
            }
        }
    }

    #[test]
    fn every_behaviour_stands_in_a_list() {
        let mut found = Vec::new();
        behaviours(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
        assert!(found.len() > 100, "the suites were found");
        let words = include_str!("contract.rs").split_whitespace();
        let listed: HashSet<_> = words.map(|word| word.trim_end_matches(';')).collect();
        let forgotten: Vec<_> = found.iter().filter(|name| !listed.contains(name.as_str())).collect();
        assert!(forgotten.is_empty(), "behaviours that no list has: {forgotten:#?}");
    }
}
