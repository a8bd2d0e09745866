"""Names the test that holds what happens beyond each limit of docs/limits.md."""

import ast
import re

import pytest

from tests.docs import test_limits
from tests.docs.test_memory_limits import SECTION
from tests.helpers.snippets import ROOT

HOLDING = {
    "serving/test_connection_limits.py::test_connections_beyond_the_limit_get_a_503": [
        "connections",
        "memory of connections, 16 KiB each",
    ],
    "serving/test_connection_limits.py::test_a_client_that_reads_nothing_is_disconnected": [
        "time in which a client reads nothing of a response",
    ],
    "serving/test_connection_limits.py::test_the_connection_that_waited_longest_is_aborted": [
        "memory of unread responses and of received bytes that are not yet parsed",
    ],
    "core/test_tenancy.py::test_a_test_id_makes_a_separate_tenant": ["characters of `X-Test-Id` that are shown"],
    "state/test_store.py::test_least_recently_used_tenant_is_evicted": ["tenants"],
    "state/test_store.py::test_least_recently_used_tenants_are_evicted_if_data_is_too_large": [
        "data, changes and fault counters of all tenants",
        "memory of the tenants",
    ],
    "api/test_operations.py::test_the_data_of_a_token_is_limited_in_bytes": ["changes of one tenant"],
    "api/test_operations.py::test_a_token_has_at_most_1000_created_audiences": ["audiences that a tenant created"],
    "api/test_agents.py::test_a_tenant_has_a_maximum_number_of_created_agents": ["agents that a tenant created"],
    "api/test_agents.py::test_a_tenant_has_a_maximum_number_of_other_archived_agents": [
        "archived or restored agents that a tenant did not create"
    ],
    "api/test_agents.py::test_an_invalid_agent_is_a_400": [
        "characters of the name of an agent",
        "characters of a new agent",
        "values of a new agent, nested ones included",
    ],
    "api/test_operations.py::test_an_audience_has_at_most_10000_members": ["members of an audience"],
    "api/test_operations.py::test_invalid_members_change_nothing": [
        "values of a member that is added as JSON, nested ones included"
    ],
    "control/test_reset.py::test_an_invalid_reset_changes_nothing": [
        "characters of the `token` or the `testId` of a control call"
    ],
    "api/test_written_campaigns.py::test_an_invalid_campaign_is_an_error": [
        "results of calls that such a campaign names"
    ],
    "data/test_listed_members.py::test_an_error_names_the_member_and_the_fix": [
        "values of a [listed member](fixtures.md#list-members), nested ones included",
    ],
    "data/test_listed_members.py::test_all_members_of_a_folder_have_a_memory_limit": [
        "memory of members that fixture files list, approximately",
    ],
    "control/test_tenants.py::test_data_beyond_the_memory_of_a_tenant_is_an_error": [
        "data set for one tenant over the control API",
    ],
    "control/test_tenants.py::test_invalid_campaigns_are_an_error": [
        "campaigns of an audience, set over the control API or by a fixture file"
    ],
    "control/test_state.py::test_the_audience_with_the_most_values_survives_a_state": [
        "values of such an audience with its campaigns, without its members"
    ],
    "control/test_tenant_data.py::test_errors_name_the_parameter_or_the_audience": [
        "`page` and `size` of the members that a control call lists"
    ],
    "control/test_tenants.py::test_invalid_data_of_a_tenant_is_an_error": [
        "audiences set by one request to the control API",
        "characters of such an audience with its campaigns, without its members",
        "characters of a listed member",
    ],
    "data/test_fixtures.py::test_an_error_names_file_line_field_value_and_reason": [
        "audiences that one [fixture file](fixtures.md) generates for a token"
    ],
    "api/test_operations.py::test_an_unreadable_body_is_a_400": ["JSON body, inflated"],
    "api/test_operations.py::test_json_of_too_many_values_is_a_400": [
        "memory of the values of JSON, 64 bytes each besides their strings"
    ],
    "control/test_errors.py::test_json_beyond_a_limit_is_an_error": [
        "levels of nested JSON",
        "one JSON string, and any JSON without a comma outside of strings",
    ],
    "control/test_errors.py::test_an_object_has_at_most_1000_keys": [
        "keys of the JSON object that a control call sends"
    ],
    "api/test_csv_file.py::test_a_file_has_at_most_5_mib": ["CSV file"],
    "api/test_csv_file.py::test_an_upload_has_at_most_10000_rows": ["rows of a CSV file"],
    "api/test_csv_file.py::test_a_file_has_at_most_100_columns": ["columns of a CSV file"],
    "api/test_csv_file.py::test_a_file_has_at_most_100000_lines": ["lines of a CSV file, empty ones included"],
    "api/test_csv_file.py::test_a_line_has_at_most_100000_commas": ["commas in a line of a CSV file"],
    "api/test_csv_file.py::test_an_invalid_file_is_refused_with_a_reason": ["characters in a cell of a CSV file"],
    "api/test_csv_file.py::test_a_malformed_form_stores_nothing": [
        "headers of a part of a form",
        "fields of a form beside its file, ignored parts included",
        "each of these fields",
    ],
    "api/test_multipart.py::test_a_header_has_at_most_100_parameters": [
        "parameters of a `Content-Type`, and of a header of a part of a form"
    ],
    "core/test_http_text.py::test_a_query_has_at_most_1000_parameters": [
        "parameters of a query, or of a URL-encoded form in the journal"
    ],
    "api/test_operations.py::test_a_search_has_at_most_100_parameters": ["parameters of a member search"],
    "control/test_errors.py::test_a_body_that_is_too_long_is_an_error": ["body sent to the control API, inflated"],
    "control/test_state.py::test_a_state_may_be_longer_than_other_bodies": [
        "imported state: memory of its rules and fixtures, approximately",
        "memory of imported fixtures, approximately",
    ],
    "control/test_state.py::test_an_invalid_state_changes_nothing": [
        "digits of a count of an imported state",
        "fault counters of a tenant in an imported state",
        "audiences that a tenant of an imported state has changed, and that it has deleted",
        "agents that a tenant of an imported state has changed",
    ],
    "faults/test_rulebook.py::test_number_of_startup_rules_is_limited": [
        "faults at the start, `--error-rate` included"
    ],
    "control/test_faults.py::test_the_number_of_rules_is_limited": ["rules created over the control API"],
    "faults/test_rulebook.py::test_the_rules_that_a_request_can_match_are_limited": [
        "rules created for the same token (or any) and the same test id (or any)"
    ],
    "faults/test_rulebook.py::test_memory_of_created_rules_is_limited": [
        "memory of these rules",
        "memory of fault rules",
    ],
    "faults/test_rules.py::test_invalid_fault_is_rejected_with_its_pointer": [
        "values of a rule, nested ones included",
        "characters of a rule without its response texts and `alter` values, and of a rule given as a JSON string",
        "characters of a fault expression",
        "delay, `hang` or `drip`",
        "requests of a rate limit",
        "seconds of a rate limit",
        "characters of a header value in a rule",
        "characters of all headers of a rule, names included",
        "values of one header in a rule",
        "values of one `alter`",
        "characters of the name of a rule",
    ],
    "faults/test_rules.py::test_what_a_rule_sends_is_limited": [
        "characters of each of `body`, `text` and `errors` of `respond`, and of `values` of `alter`"
    ],
    "faults/test_rules.py::test_nested_wildcards_are_limited": ["keys and items that one `alter` visits in a response"],
    "faults/test_rules.py::test_depth_of_written_values_is_limited": [
        "nesting depth at which one `alter` writes a value"
    ],
    "faults/test_rules.py::test_a_patch_refuses_a_body_whose_values_need_too_much_memory": [
        "memory of the values of a response that an `alter` changes"
    ],
    "faults/test_rules.py::test_size_of_written_values_is_limited": ["bytes that one `alter` writes into a response"],
    "testing/test_client.py::test_a_timeout_lists_the_latest_requests": [
        "requests in the message of a `wait_for_requests` that times out"
    ],
    "journal/test_journal.py::test_the_oldest_exchanges_are_dropped_and_counted": ["exchanges in the journal"],
    "core/test_settings.py::test_an_invalid_value_is_reported_with_its_flag": [
        "`--journal-size`",
        "`--workers`",
        "characters of `--store-prefix`",
    ],
    "state/test_replicated_store.py::test_a_tenant_that_sends_no_requests_is_forgotten": [
        "time without a request or a change until a tenant is forgotten"
    ],
    "state/test_replica.py::test_a_server_that_has_missed_removed_entries_continues_from_a_snapshot": [
        "entries of the log between two snapshots"
    ],
    "state/test_replicated_store.py::test_the_journal_drops_exchanges_whose_log_entries_are_old": [
        "entries of the log after the start of an exchange in the journal"
    ],
    "state/test_replicated_store.py::test_a_bounded_number_of_exchanges_is_recorded_later": [
        "exchanges of a server whose end waits until the store is back"
    ],
    "state/test_redis_log.py::test_a_call_whose_reply_never_comes_fails_at_its_deadline": [
        "time for a change of the store"
    ],
    "journal/test_journal.py::test_the_size_of_the_journal_is_bounded": [
        "all URLs, headers and bodies in the journal",
        "memory of the journal",
    ],
    "journal/test_journal.py::test_a_body_is_kept_up_to_the_limit_with_its_size": [
        "request or response body in the journal"
    ],
    "journal/test_response_bodies.py::test_the_setting_has_limits": ["`--journal-body`"],
    "journal/test_journal.py::test_the_journal_inflates_a_bounded_part_of_a_body": [
        "bytes that the journal inflates of one body"
    ],
    "wiremock/test_patterns.py::test_operators_may_be_nested_40_levels": ["levels of a request pattern"],
    "wiremock/test_patterns.py::test_an_invalid_pattern_is_an_error_with_a_pointer": [
        "characters of a method in a request pattern"
    ],
    "wiremock/test_steps.py::test_a_body_with_too_many_levels_or_values_is_no_json": [
        "values of a request pattern, and of JSON that is compared with one"
    ],
    "wiremock/test_steps.py::test_a_pattern_that_is_too_large_is_an_error": [
        "characters of a request pattern",
        "names, numbers and signs of a JSONPath",
    ],
    "wiremock/test_steps.py::test_a_pattern_that_takes_too_long_is_an_error": [
        "steps to parse a request pattern, and to compare it with one request"
    ],
    "core/test_regex.py::test_what_cannot_be_matched_in_linear_time_is_refused": [
        "characters of a regular expression",
        "repetitions such as `{100}` in a regular expression, added up",
        r"classes such as `\p{L}` in a regular expression",
        "instructions of RE2 for a regular expression",
    ],
    "wiremock/test_operators.py::test_an_invalid_operator_is_an_error_with_a_pointer": ["characters of a JSONPath"],
    "wiremock/test_steps.py::test_a_near_miss_compares_the_first_values_and_characters_alone": [
        "values and characters of each that a near miss compares"
    ],
    "control/test_requests.py::test_an_invalid_query_parameter_is_an_error": [
        "`nearMisses`",
        "`minBackoffMs`",
        "wait of `POST /__admin/requests/count`",
    ],
    "journal/test_calls.py::test_a_retry_starts_between_the_end_and_the_longest_pause": [
        "pause between the attempts of one call"
    ],
    "journal/test_grouping.py::test_a_retry_is_compared_with_the_calls_that_waited_longest": [
        "failed calls that a retry on a new connection is compared with"
    ],
    "journal/test_calls.py::test_the_counter_remembers_a_bounded_number_of_failed_calls": [
        "failed calls whose attempts the log numbers"
    ],
    "testing/test_pytest_plugin.py::test_the_report_of_a_failure_lists_the_requests": [
        "requests in the report of a failed pytest test"
    ],
    "core/test_masking.py::test_a_long_quoted_value_is_cut": ["characters of a value that an error message quotes"],
    "api/test_operations.py::test_the_message_about_a_long_value_is_cut": ["characters of an error message"],
    "core/test_masking.py::test_text_with_too_many_layers_of_escapes_is_masked": [
        "layers of percent-encoding and backslash escapes that are decoded to find a key"
    ],
    "journal/test_journal.py::test_an_escaped_key_across_the_limit_is_masked": [
        "characters of a key that the end of a recorded body cuts"
    ],
    "caching/test_response_cache.py::test_the_cache_evicts_the_least_recently_used_response": [
        "rendered responses, with the queries that they respond to",
        "one rendered response",
        "memory of rendered responses",
    ],
    "caching/test_fast_path.py::test_the_fast_path_evicts_the_least_recently_used_request": [
        "repeated requests that the fast path recognizes"
    ],
    "caching/test_response_cache.py::test_repeated_requests_are_bounded_by_their_heads": [
        "head of a repeated request",
        "heads of repeated requests",
        "memory of request heads on the fast path",
    ],
    "journal/test_request_reader.py::test_cached_callers_are_bounded": [
        "callers that are cached, by their credentials and test id",
        "memory of cached callers",
    ],
    "api/test_campaigns.py::test_a_tenant_has_at_most_so_many_campaigns": [
        "campaigns that a tenant created or changed, those of deleted audiences included",
    ],
    "api/test_campaigns.py::test_an_invalid_new_campaign_is_a_400": [
        "characters of a new campaign",
        "values of a new campaign, nested ones included",
    ],
    "control/test_campaigns.py::test_a_campaign_keeps_its_latest_events": ["events of a campaign"],
    "control/test_campaigns.py::test_an_invalid_step_is_an_error": [
        "characters of the `error` of a campaign, set over the control API"
    ],
    "control/test_campaigns.py::test_an_imported_tenant_has_a_limited_number_of_deleted_campaigns": [
        "campaigns that a tenant of an imported state has deleted"
    ],
    "control/test_mappings.py::test_too_many_stubs_are_a_conflict": ["stubs"],
    "control/test_mappings.py::test_an_import_lists_at_most_so_many_errors": [
        "errors that one response of an import lists"
    ],
    "control/test_mappings.py::test_an_invalid_call_is_an_error": [
        "request line and headers of a request that `POST /__admin/near-misses/request` takes"
    ],
    "wiremock/test_stubs.py::test_an_invalid_stub_is_refused": [
        "values of a stub, nested ones included",
        "characters of a stub, without its body",
        "characters of each of `body`, `jsonBody` and `base64Body`",
        "characters of a reason phrase, and of the name or a state of a scenario",
        "chunks of a `chunkedDribbleDelay`",
    ],
    "wiremock/test_stub_folder.py::test_body_files_stay_inside_their_folder": ["file of `bodyFileName`"],
    "wiremock/test_stub_folder.py::test_long_files_and_too_many_stubs_are_errors": ["file with stubs"],
    "middleware/test_stubs.py::test_too_long_bodies_match_no_body_pattern": [
        "request body that body patterns of stubs match"
    ],
    "middleware/test_stubs.py::test_the_fast_path_asks_the_stubs_first": [
        "stubs that a request is compared with on the [fast path](speed.md#the-fast-path)"
    ],
    "contract/test_checking.py::test_an_exchange_keeps_a_limited_number_of_violations": [
        "contract violations of the head of a request, and of the rest of it"
    ],
    "contract/test_checking.py::test_violations_mask_credentials_and_cut_values": [
        "characters of the value and of the place of a violation"
    ],
    "contract/test_checking.py::test_fields_with_too_many_values_are_not_checked": [
        "values of a field of a body, or of 20 items of a list, that are checked for violations",
        "characters of these values",
    ],
    "journal/test_violations.py::test_a_report_lists_a_limited_number_of_violations": [
        "different violations in a report"
    ],
    "journal/test_request_reader.py::test_a_caller_with_large_headers_is_not_cached": [
        "memory of the masked credentials, digests and test id of a cached caller"
    ],
    "data/test_fixtures.py::test_initial_data_is_cached_within_limits": ["audiences kept after generation"],
    "serving/test_server.py::test_a_process_without_data_is_small": ["the process without data"],
    "docs/test_memory_limits.py::test_generated_audiences_fit_into_their_memory": [
        "memory of audiences kept after generation"
    ],
    "core/test_body_memory.py::test_a_body_beyond_the_memory_gets_a_503": [
        "memory of request bodies in flight, with the values parsed from them and an imported state"
    ],
    "docs/test_memory_limits.py::test_memory_limits_are_those_of_the_code_and_add_up": ["**sum**"],
    "caching/test_fast_path.py::test_an_idle_connection_is_closed": ["pause between two requests"],
    "serving/test_connections.py::test_a_silent_connection_is_closed_without_a_response": [
        "time until a connection sends its first byte"
    ],
    "serving/test_half_closed.py::test_a_delayed_response_counts_the_client_as_disconnected": [
        "time until a response starts, once its client has half-closed the connection"
    ],
    "serving/test_tls.py::test_a_failed_handshake_is_one_log_line": ["time for a TLS handshake"],
    "serving/test_connections.py::test_half_a_head_gets_a_408": ["time for a complete request line and headers"],
    "serving/test_connections.py::test_half_a_body_gets_a_408": ["pause in a request body"],
    "middleware/test_waiting.py::test_a_long_body_is_not_read_ahead_to_its_end": [
        "bytes of a request body that are read during a delay"
    ],
    "serving/test_connections.py::test_a_head_has_a_size_limit": ["request line and headers"],
    "serving/test_connections.py::test_what_is_no_body_is_not_read_without_end": [
        "chunk extensions and trailers between two parts of a body"
    ],
    "core/test_slices.py::test_long_work_of_many_requests_waits_for_a_slot_and_other_work_does_not": [
        "requests to the API that work for longer than 2 ms at the same time"
    ],
    "serving/test_connections.py::test_an_abandoned_connection_leaves_no_request_behind": [
        "pipelined requests that run at the same time"
    ],
    "serving/test_connections.py::test_pipelined_long_responses_leave_turns_to_other_tasks": [
        "pipelined requests before other connections get their turn"
    ],
    "serving/test_connections.py::test_bytes_behind_a_request_are_bounded": ["bytes that wait behind a request"],
    "journal/test_events.py::test_the_oldest_events_beyond_the_number_are_dropped": [
        "[events](control-api.md#events) that a server keeps, while a client watches and 60 seconds more",
    ],
    "journal/test_events.py::test_the_oldest_events_beyond_the_memory_are_dropped": [
        "memory of these events",
        "memory of events",
    ],
    "control/test_events.py::test_too_many_clients_get_a_503": ["clients that watch the events of a server"],
    "control/test_event_hub.py::test_a_client_gets_its_events_in_pieces": ["events that a client gets in one piece"],
    "control/test_event_hub.py::test_others_run_between_the_writes_to_many_clients": [
        "events that are sent before other requests are served",
    ],
    "wiremock/test_stub_book.py::test_too_many_or_too_large_stubs_are_refused": [
        "memory of all stubs, approximately",
        "memory of stubs, approximately",
    ],
    "testing/test_connections.py::test_the_idle_connections_of_a_process_are_limited": [
        "idle connections of all `MockClient`s of a process"
    ],
}
"""Rows of the tables by the test that exceeds their limits."""
ROW = re.compile(r"^\| (?!what \|)([^-].*?) \| .+? \| .+ \|$", re.MULTILINE)


def test_every_limit_has_a_test_that_exceeds_it() -> None:
    held = [row for rows in HOLDING.values() for row in rows]
    assert sorted(held) == sorted(ROW.findall(test_limits.PAGE))


def test_every_limit_is_compared_with_the_code() -> None:
    compared = [*(row for row, _ in test_limits.LIMITS), *ROW.findall(SECTION)]
    assert sorted(compared) == sorted(ROW.findall(test_limits.PAGE))


@pytest.mark.parametrize("test", HOLDING)
def test_the_named_test_exists(test: str) -> None:
    file, name = test.split("::")
    module = ast.parse((ROOT / "tests" / file).read_text(encoding="utf-8"))
    functions = [node.name for node in ast.walk(module) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    assert functions.count(name) == 1
