"""Compares docs/limits.md with the constants of the code."""

import csv
import inspect
import re

import pytest
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT

from mock_atoms.api.agents import MAX_AGENT_CHARACTERS, MAX_AGENT_VALUES
from mock_atoms.api.campaigns import MAX_CAMPAIGN_CHARACTERS, MAX_CAMPAIGN_VALUES
from mock_atoms.api.members import MAX_SEARCH_TERMS
from mock_atoms.api.multipart import MAX_HEADER_PARAMETERS, MAX_PART_HEAD_BYTES
from mock_atoms.api.uploads import MAX_FIELDS
from mock_atoms.caching.response_cache import (
    MAX_HEAD_BYTES,
    MAX_REPEATED_REQUESTS,
    MAX_REPEATED_REQUESTS_SIZE,
    MAX_RESPONSE_BYTES,
    MAX_SIZE,
)
from mock_atoms.contract.agents import MAX_NAME_LENGTH
from mock_atoms.contract.checking import ITEMS_PER_STEP, MAX_CHECKED_CHARACTERS, MAX_CHECKED_VALUES
from mock_atoms.contract.schemas import MAX_FIELD_BYTES, MAX_FILE_BYTES, MAX_MEMBERS
from mock_atoms.contract.violations import MAX_PLACE_LENGTH, MAX_VALUE_LENGTH, MAX_VIOLATIONS
from mock_atoms.control import event_hub
from mock_atoms.control.errors import MAX_LISTED_ERRORS
from mock_atoms.control.journal_waiter import MAX_WAIT_MS
from mock_atoms.control.parsing import MAX_CONTROL_BODY_BYTES, MAX_ID_LENGTH, MAX_UNCONVERTED_BYTES
from mock_atoms.control.requests import MAX_NEAR_MISSES
from mock_atoms.control.retries import MAX_BACKOFF_MS
from mock_atoms.control.tenant_data import MAX_PAGE, MAX_PAGE_SIZE
from mock_atoms.control.tenants import MAX_SET_AUDIENCES
from mock_atoms.core import regex
from mock_atoms.core.body_memory import MAX_UNREAD_BODY_BYTES
from mock_atoms.core.http_text import MAX_QUERY_PARAMETERS, MAX_REQUEST_HEAD_BYTES
from mock_atoms.core.json_parsing import MAX_JSON_DEPTH, MAX_JSON_PIECE_BYTES, MAX_STATE_DEPTH, MAX_VALUES_BYTES
from mock_atoms.core.masking import MAX_MAGIC_KEY_LENGTH, MAX_MESSAGE_LENGTH, MAX_QUOTED_LENGTH
from mock_atoms.core.parsing import MAX_KEYS
from mock_atoms.core.patterns import STORE_PREFIX
from mock_atoms.core.settings import MAX_JOURNAL_BODY_BYTES, MAX_JOURNAL_SIZE, MAX_WORKERS, Settings
from mock_atoms.core.slices import MAX_WORK_SLOTS, MAX_WORK_SLOTS_PER_KEY, SLICE_SECONDS
from mock_atoms.core.tenancy import MAX_TEST_ID_LENGTH
from mock_atoms.core.unescaping import MAX_LAYERS
from mock_atoms.data.campaign_life import MAX_EVENTS
from mock_atoms.data.csv_file import MAX_COLUMNS, MAX_COMMAS, MAX_LINES
from mock_atoms.data.fixture_files import MAX_GENERATED_AUDIENCES
from mock_atoms.data.fixtures import MAX_CACHED_AUDIENCES
from mock_atoms.data.member_rows import MAX_MEMBER_VALUES, MAX_ROW_CHARACTERS
from mock_atoms.data.models import MAX_AUDIENCE_CHARACTERS, MAX_AUDIENCE_VALUES, MAX_CAMPAIGNS, MAX_RESULTS
from mock_atoms.faults import response_patch
from mock_atoms.faults.effects import MAX_DELAY_MS, MAX_HEADER_LENGTH, MAX_HEADER_VALUES, MAX_HEADERS_LENGTH
from mock_atoms.faults.expressions import MAX_EXPRESSION_LENGTH
from mock_atoms.faults.rulebook import MAX_COUNTERS, MAX_RULES, MAX_RULES_BYTES, MAX_STARTUP_RULES, MAX_TENANT_RULES
from mock_atoms.faults.rules import (
    MAX_CONTENT_CHARACTERS,
    MAX_LIMITED_REQUESTS,
    MAX_RULE_CHARACTERS,
    MAX_RULE_NAME_LENGTH,
    MAX_RULE_VALUES,
    MAX_WINDOW_SECONDS,
)
from mock_atoms.journal import events, memory_journal
from mock_atoms.journal.calls import MAX_FAILED_CALLS, MAX_PAUSE_MS
from mock_atoms.journal.grouping import MAX_COMPARED_CALLS
from mock_atoms.journal.recorded_body import MAX_CUT_KEY_LENGTH
from mock_atoms.journal.request_reader import MAX_IDENTITIES, MAX_IDENTITY_BYTES
from mock_atoms.journal.violations import MAX_GROUPS
from mock_atoms.middleware.recording import MAX_INFLATED_BODY_BYTES
from mock_atoms.middleware.stubs import MAX_STUB_BODY_BYTES
from mock_atoms.serving import connection_limits
from mock_atoms.serving.fast_path import MAX_COMPARED_STUBS
from mock_atoms.serving.half_closed import RESPONSE_SECONDS
from mock_atoms.serving.protocol import HEAD_BYTES_PER_TURN, REQUESTS_PER_TURN, RESPONSE_BYTES_PER_TURN
from mock_atoms.serving.server import GRACE_SECONDS, KEEP_ALIVE_MARGIN, STOP_SECONDS
from mock_atoms.state import memory_store, redis_log, replica, replicated_journal
from mock_atoms.state.agents import MAX_CREATED_AGENTS, MAX_OTHER_AGENTS
from mock_atoms.state.audiences import MAX_CREATED_AUDIENCES
from mock_atoms.state.campaigns import MAX_ERROR_CHARACTERS
from mock_atoms.state.snapshot_models import MAX_COUNT_DIGITS
from mock_atoms.state.snapshot_parsing import MAX_CHANGED_AGENTS, MAX_CHANGED_AUDIENCES, MAX_DELETED_CAMPAIGNS
from mock_atoms.state.tenant_data import MAX_STORED_CAMPAIGNS, MAX_TENANT_BYTES
from mock_atoms.testing.client import MAX_LISTED_REQUESTS
from mock_atoms.testing.connections import MAX_IDLE_CONNECTIONS
from mock_atoms.testing.pytest_plugin import MAX_REPORTED_REQUESTS
from mock_atoms.wiremock import stub_book, stub_response, stubs
from mock_atoms.wiremock.conditions import MAX_METHOD_LENGTH
from mock_atoms.wiremock.json_matching import MAX_PATTERN_CHARACTERS, MAX_PATTERN_DEPTH, MAX_PATTERN_VALUES
from mock_atoms.wiremock.json_path import MAX_PATH_LENGTH, MAX_PATH_TOKENS
from mock_atoms.wiremock.patterns import MAX_COMPARED_CHARACTERS, MAX_COMPARED_VALUES
from mock_atoms.wiremock.steps import MAX_PATTERN_STEPS
from mock_atoms.wiremock.stub_folder import MAX_STUBS_FILE_BYTES
from tests.helpers.snippets import ROOT

PAGE = (ROOT / "docs" / "limits.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| (.+?) \| (.+?) \| .+ \|$", PAGE, re.MULTILINE))
KIB, MIB = 1024, 1024 * 1024
CALL_TIMEOUT = inspect.signature(redis_log.connect).parameters["call_timeout"].default


LIMITS = [
    ("`page` and `size` of the members that a control call lists", f"{MAX_PAGE:,} and {MAX_PAGE_SIZE:,}"),
    ("contract violations of the head of a request, and of the rest of it", f"{MAX_VIOLATIONS} each"),
    ("characters of the value and of the place of a violation", f"{MAX_VALUE_LENGTH} and {MAX_PLACE_LENGTH}"),
    (
        f"values of a field of a body, or of {ITEMS_PER_STEP} items of a list, that are checked for violations",
        f"{MAX_CHECKED_VALUES:,}",
    ),
    ("characters of these values", f"{MAX_CHECKED_CHARACTERS:,}"),
    ("different violations in a report", f"{MAX_GROUPS:,}"),
    ("tenants", f"{memory_store.MAX_TENANTS:,}"),
    ("data, changes and fault counters of all tenants", f"{memory_store.MAX_STORE_BYTES / MIB:g} MiB"),
    ("data set for one tenant over the control API", f"{MAX_TENANT_BYTES / MIB:g} MiB"),
    ("changes of one tenant", f"{MAX_TENANT_BYTES / MIB:g} MiB"),
    ("audiences that a tenant created", f"{MAX_CREATED_AUDIENCES:,}"),
    ("agents that a tenant created", f"{MAX_CREATED_AGENTS:,}"),
    ("archived or restored agents that a tenant did not create", f"{MAX_OTHER_AGENTS:,}"),
    ("characters of the name of an agent", f"{MAX_NAME_LENGTH:,}"),
    ("characters of a new agent", f"{MAX_AGENT_CHARACTERS:,}"),
    ("values of a new agent, nested ones included", f"{MAX_AGENT_VALUES:,}"),
    ("agents that a tenant of an imported state has changed", f"{MAX_CHANGED_AGENTS:,}"),
    ("members of an audience", f"{MAX_MEMBERS:,}"),
    ("values of a member that is added as JSON, nested ones included", f"{MAX_MEMBER_VALUES:,}"),
    (
        "values of a [listed member](fixtures.md#list-members), nested ones included",
        f"{MAX_MEMBER_VALUES:,}",
    ),
    ("characters of a listed member", f"{MAX_ROW_CHARACTERS:,}"),
    ("characters of the `token` or the `testId` of a control call", f"{MAX_ID_LENGTH:,}"),
    ("audiences set by one request to the control API", f"{MAX_SET_AUDIENCES:,}"),
    ("audiences that one [fixture file](fixtures.md) generates for a token", f"{MAX_GENERATED_AUDIENCES:,}"),
    ("JSON body, inflated", f"{MAX_FILE_BYTES / MIB:g} MB"),
    ("levels of nested JSON", f"{MAX_JSON_DEPTH}; {MAX_STATE_DEPTH} in an imported state"),
    ("keys of the JSON object that a control call sends", f"{MAX_KEYS:,}"),
    ("one JSON string, and any JSON without a comma outside of strings", f"{MAX_JSON_PIECE_BYTES / KIB:,g} KiB"),
    (
        "memory of the values of JSON, 64 bytes each besides their strings",
        f"{MAX_VALUES_BYTES / MIB:g} MiB, except in an imported state",
    ),
    ("CSV file", f"{MAX_FILE_BYTES / MIB:g} MB"),
    ("rows of a CSV file", f"{MAX_MEMBERS:,}"),
    ("columns of a CSV file", f"{MAX_COLUMNS}"),
    ("lines of a CSV file, empty ones included", f"{MAX_LINES:,}"),
    ("commas in a line of a CSV file", f"{MAX_COMMAS:,}"),
    ("parameters of a `Content-Type`, and of a header of a part of a form", f"{MAX_HEADER_PARAMETERS}"),
    ("fields of a form beside its file, ignored parts included", f"{MAX_FIELDS}"),
    ("each of these fields", f"{MAX_FIELD_BYTES / KIB:g} KiB"),
    (
        "body sent to the control API, inflated",
        f"{MAX_CONTROL_BODY_BYTES / MIB:g} MiB, except an imported state",
    ),
    ("imported state: memory of its rules and fixtures, approximately", f"{MAX_UNCONVERTED_BYTES / MIB:g} MiB"),
    ("digits of a count of an imported state", f"{MAX_COUNT_DIGITS:,}"),
    ("rules created over the control API", f"{MAX_RULES:,}"),
    ("rules created for the same token (or any) and the same test id (or any)", f"{MAX_TENANT_RULES}"),
    ("faults at the start, `--error-rate` included", f"{MAX_STARTUP_RULES:,}"),
    ("fault counters of a tenant in an imported state", f"{MAX_COUNTERS:,}"),
    (
        "audiences that a tenant of an imported state has changed, and that it has deleted",
        f"{MAX_CHANGED_AUDIENCES:,} each",
    ),
    ("stubs", f"{stub_book.MAX_STUBS:,}"),
    ("memory of all stubs, approximately", f"{stub_book.MAX_STUBS_BYTES / MIB:g} MiB"),
    ("values of a stub, nested ones included", f"{stubs.MAX_STUB_VALUES:,}"),
    ("characters of a stub, without its body", f"{stubs.MAX_STUB_CHARACTERS:,}"),
    ("characters of each of `body`, `jsonBody` and `base64Body`", f"{stubs.MAX_STUB_BODY_CHARACTERS:,}"),
    ("file of `bodyFileName`", f"{stub_response.MAX_STUB_FILE_BYTES / MIB:g} MiB"),
    ("file with stubs", f"{MAX_STUBS_FILE_BYTES / MIB:g} MiB"),
    (
        "characters of a reason phrase, and of the name or a state of a scenario",
        f"{max(stub_response.MAX_REASON_LENGTH, stubs.MAX_SCENARIO_NAME_LENGTH)} each",
    ),
    ("chunks of a `chunkedDribbleDelay`", f"{stub_response.MAX_DRIBBLE_CHUNKS:,}"),
    ("request body that body patterns of stubs match", f"{MAX_STUB_BODY_BYTES / MIB:g} MiB"),
    ("errors that one response of an import lists", f"{MAX_LISTED_ERRORS}"),
    ("stubs that a request is compared with on the [fast path](speed.md#the-fast-path)", f"{MAX_COMPARED_STUBS}"),
    ("values of a rule, nested ones included", f"{MAX_RULE_VALUES:,}"),
    (
        "characters of a rule without its response texts and `alter` values, and of a rule given as a JSON string",
        f"{MAX_RULE_CHARACTERS:,}",
    ),
    ("characters of a fault expression", f"{MAX_EXPRESSION_LENGTH:,}"),
    ("values of one `alter`", f"{response_patch.MAX_ALTERED_VALUES:,}"),
    ("keys and items that one `alter` visits in a response", f"{response_patch.MAX_VISITED:,}"),
    ("nesting depth at which one `alter` writes a value", f"{response_patch.MAX_PATCH_DEPTH}"),
    ("memory of the values of a response that an `alter` changes", f"{MAX_VALUES_BYTES / MIB:g} MiB"),
    ("bytes that one `alter` writes into a response", f"{response_patch.MAX_ADDED_BYTES / MIB:g} MiB"),
    ("memory of these rules", f"{MAX_RULES_BYTES / MIB:g} MiB"),
    ("delay, `hang` or `drip`", f"{MAX_DELAY_MS / 3_600_000:g} hour"),
    (
        "characters of each of `body`, `text` and `errors` of `respond`, and of `values` of `alter`",
        f"{MAX_CONTENT_CHARACTERS:,}",
    ),
    ("characters of all headers of a rule, names included", f"{MAX_HEADERS_LENGTH:,}"),
    ("values of one header in a rule", f"{MAX_HEADER_VALUES}"),
    ("exchanges in the journal", f"{Settings().journal_size:,}, or `--journal-size`"),
    ("all URLs, headers and bodies in the journal", f"{memory_journal.MAX_JOURNAL_BYTES / MIB:g} MiB"),
    ("requests in the message of a `wait_for_requests` that times out", f"the {MAX_LISTED_REQUESTS} latest"),
    ("request or response body in the journal", f"{Settings().journal_body / KIB:g} KiB, or `--journal-body`"),
    ("headers of a part of a form", f"{MAX_PART_HEAD_BYTES / KIB:g} KiB"),
    ("bytes of a request body that are read during a delay", f"{MAX_UNREAD_BODY_BYTES / MIB:g} MiB"),
    ("bytes that the journal inflates of one body", f"{MAX_INFLATED_BODY_BYTES / MIB:g} MiB"),
    (
        "[events](control-api.md#events) that a server keeps, while a client watches and 60 seconds more",
        f"{events.MAX_EVENTS:,}",
    ),
    ("memory of these events", f"{events.MAX_EVENT_BYTES / MIB:g} MiB"),
    ("clients that watch the events of a server", f"{event_hub.MAX_WATCHERS}"),
    ("events that a client gets in one piece", f"{event_hub.CHUNK_BYTES / KIB:g} KiB, or 1 event"),
    ("events that are sent before other requests are served", f"{event_hub.BYTES_PER_TURN / KIB:g} KiB"),
    ("`nearMisses`", f"{MAX_NEAR_MISSES}"),
    ("levels of a request pattern", f"{MAX_PATTERN_DEPTH}"),
    ("values of a request pattern, and of JSON that is compared with one", f"{MAX_PATTERN_VALUES:,}"),
    ("characters of a request pattern", f"{MAX_PATTERN_CHARACTERS:,}"),
    ("characters of a method in a request pattern", f"{MAX_METHOD_LENGTH}"),
    ("steps to parse a request pattern, and to compare it with one request", f"{MAX_PATTERN_STEPS:,}"),
    ("characters of a regular expression", f"{regex.MAX_REGEX_LENGTH:,}"),
    ("repetitions such as `{100}` in a regular expression, added up", f"{regex.MAX_REGEX_REPETITIONS:,}"),
    (r"classes such as `\p{L}` in a regular expression", f"{regex.MAX_UNICODE_CLASSES}"),
    ("instructions of RE2 for a regular expression", f"{regex.MAX_REGEX_INSTRUCTIONS:,}"),
    ("characters of a JSONPath", f"{MAX_PATH_LENGTH:,}"),
    ("names, numbers and signs of a JSONPath", f"{MAX_PATH_TOKENS}"),
    (
        "values and characters of each that a near miss compares",
        f"{MAX_COMPARED_VALUES} and {MAX_COMPARED_CHARACTERS}",
    ),
    ("`minBackoffMs`", f"{MAX_BACKOFF_MS:,}"),
    ("wait of `POST /__admin/requests/count`", f"{MAX_WAIT_MS / 60_000:g} minutes"),
    (
        "pause between the attempts of one call",
        f"{MAX_PAUSE_MS / 60_000:g} minutes, unless `Retry-After` asks for more",
    ),
    ("failed calls that a retry on a new connection is compared with", f"{MAX_COMPARED_CALLS}"),
    ("characters of a value that an error message quotes", f"{MAX_QUOTED_LENGTH}"),
    ("characters of an error message", f"{MAX_MESSAGE_LENGTH:,}"),
    ("layers of percent-encoding and backslash escapes that are decoded to find a key", f"{MAX_LAYERS}"),
    (
        "characters of a key that the end of a recorded body cuts",
        f"{MAX_CUT_KEY_LENGTH}, or the length of the token",
    ),
    ("rendered responses, with the queries that they respond to", f"{MAX_SIZE / MIB:g} MiB"),
    ("one rendered response", f"{MAX_RESPONSE_BYTES / MIB:g} MiB"),
    ("repeated requests that the fast path recognizes", f"{MAX_REPEATED_REQUESTS:,}"),
    ("heads of repeated requests", f"{MAX_REPEATED_REQUESTS_SIZE / MIB:g} MiB"),
    ("head of a repeated request", f"{MAX_HEAD_BYTES:,} bytes"),
    ("callers that are cached, by their credentials and test id", f"{MAX_IDENTITIES:,}"),
    (
        "memory of the masked credentials, digests and test id of a cached caller",
        f"{MAX_IDENTITY_BYTES:,} bytes",
    ),
    ("connections", f"{connection_limits.MAX_CONNECTIONS:,}, or 32 below the limit of file descriptors"),
    (
        "time in which a client reads nothing of a response",
        f"`--request-timeout`, {Settings().request_timeout} seconds",
    ),
    (
        "pause between two requests",
        f"`--keep-alive`, {Settings().keep_alive} seconds, and {KEEP_ALIVE_MARGIN} second more",
    ),
    ("time until a connection sends its first byte", f"`--request-timeout`, {Settings().request_timeout} seconds"),
    ("time until a response starts, once its client has half-closed the connection", f"{RESPONSE_SECONDS * 1000:g} ms"),
    ("time for a TLS handshake", f"`--request-timeout`, {Settings().request_timeout} seconds"),
    ("time for a complete request line and headers", f"`--request-timeout`, {Settings().request_timeout} seconds"),
    ("pause in a request body", f"`--request-timeout`, {Settings().request_timeout} seconds"),
    ("request line and headers", f"{MAX_REQUEST_HEAD_BYTES / KIB:g} KiB"),
    (
        "request line and headers of a request that `POST /__admin/near-misses/request` takes",
        f"{MAX_REQUEST_HEAD_BYTES / KIB:g} KiB",
    ),
    ("chunk extensions and trailers between two parts of a body", f"{MAX_REQUEST_HEAD_BYTES / KIB:g} KiB"),
    ("bytes that wait behind a request", f"{HIGH_WATER_LIMIT / KIB:g} KiB, and what one read returns"),
    ("idle connections of all `MockClient`s of a process", f"{MAX_IDLE_CONNECTIONS}"),
    ("audiences kept after generation", f"{MAX_CACHED_AUDIENCES:,}"),
    ("characters of `X-Test-Id` that are shown", f"{MAX_TEST_ID_LENGTH}"),
    ("campaigns of an audience, set over the control API or by a fixture file", f"{MAX_CAMPAIGNS}"),
    ("campaigns that a tenant created or changed, those of deleted audiences included", f"{MAX_STORED_CAMPAIGNS:,}"),
    ("characters of a new campaign", f"{MAX_CAMPAIGN_CHARACTERS:,}"),
    ("values of a new campaign, nested ones included", f"{MAX_CAMPAIGN_VALUES:,}"),
    ("events of a campaign", f"{MAX_EVENTS}"),
    ("characters of the `error` of a campaign, set over the control API", f"{MAX_ERROR_CHARACTERS:,}"),
    ("campaigns that a tenant of an imported state has deleted", f"{MAX_DELETED_CAMPAIGNS:,}"),
    ("results of calls that such a campaign names", f"{MAX_RESULTS:,}"),
    ("characters of such an audience with its campaigns, without its members", f"{MAX_AUDIENCE_CHARACTERS:,}"),
    ("values of such an audience with its campaigns, without its members", f"{MAX_AUDIENCE_VALUES:,}"),
    ("characters in a cell of a CSV file", f"{csv.field_size_limit():,}"),
    ("parameters of a query, or of a URL-encoded form in the journal", f"{MAX_QUERY_PARAMETERS:,}"),
    ("parameters of a member search", f"{MAX_SEARCH_TERMS}"),
    ("requests of a rate limit", f"{MAX_LIMITED_REQUESTS:,}"),
    ("seconds of a rate limit", f"{MAX_WINDOW_SECONDS:,}"),
    ("characters of a header value in a rule", f"{MAX_HEADER_LENGTH:,}"),
    ("characters of the name of a rule", f"{MAX_RULE_NAME_LENGTH}"),
    ("`--journal-size`", f"{MAX_JOURNAL_SIZE:,}"),
    ("`--journal-body`", f"{MAX_JOURNAL_BODY_BYTES / MIB:g} MiB"),
    ("`--workers`", f"{MAX_WORKERS}"),
    ("characters of `--store-prefix`", re.findall(r"\d+(?=})", STORE_PREFIX)[0]),
    (
        "time without a request or a change until a tenant is forgotten",
        f"`--tenant-ttl`, {Settings().tenant_ttl:,} seconds",
    ),
    ("entries of the log between two snapshots", f"{replica.SNAPSHOT_ENTRIES:,}"),
    ("entries of the log after the start of an exchange in the journal", f"{replicated_journal.MAX_KEPT_ENTRIES:,}"),
    ("exchanges of a server whose end waits until the store is back", f"{replicated_journal.MAX_UNCONFIRMED:,}"),
    (
        "time for a change of the store",
        f"{CALL_TIMEOUT:g} second, and 1 more for each {redis_log.MIN_BYTES_PER_SECOND / 1e6:g} MB",
    ),
    ("failed calls whose attempts the log numbers", f"{MAX_FAILED_CALLS:,}"),
    ("requests in the report of a failed pytest test", f"{MAX_REPORTED_REQUESTS}"),
    (
        f"requests to the API that work for longer than {SLICE_SECONDS * 1000:g} ms at the same time",
        f"{MAX_WORK_SLOTS}; at most {MAX_WORK_SLOTS_PER_KEY} with the same token",
    ),
    ("pipelined requests that run at the same time", "1 per connection"),
    (
        "pipelined requests before other connections get their turn",
        (
            f"{REQUESTS_PER_TURN}, or {HEAD_BYTES_PER_TURN // KIB} KiB of heads, "
            f"or {RESPONSE_BYTES_PER_TURN // KIB} KiB of responses"
        ),
    ),
]


@pytest.mark.parametrize(("row", "limit"), LIMITS)
def test_limit_is_that_of_the_code(row: str, limit: str) -> None:
    assert ROWS[row] == limit


def test_length_of_readable_magic_keys_is_that_of_the_code() -> None:
    assert f"A magic key of up to {MAX_MAGIC_KEY_LENGTH} characters" in PAGE


def test_shutdown_limit_is_that_of_the_code() -> None:
    assert f"requests in flight have {GRACE_SECONDS} seconds to finish" in PAGE
    assert f"The process ends after {STOP_SECONDS} seconds" in PAGE
