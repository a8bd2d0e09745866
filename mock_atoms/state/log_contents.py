"""The contents of log entries: exchanges, callers and changes of data as JSON."""

import json
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from sys import intern
from typing import Any, assert_never

from mock_atoms.contract.violations import Violation
from mock_atoms.core.json_parsing import parse_own_json
from mock_atoms.core.json_stream import render_steps
from mock_atoms.core.slices import Steps
from mock_atoms.core.tenancy import Tenant
from mock_atoms.data.fixture_files import parse_audiences
from mock_atoms.data.models import CampaignRecord, ImportedAudience, InitialData
from mock_atoms.journal.exchange import (
    MAX_SHARED_HEAD_BYTES,
    Exchange,
    RequestHead,
    ResponseHead,
    share_response_head,
)
from mock_atoms.journal.recorded_body import MAX_SHARED_BODY_BYTES, NO_BODY, WEIGHT_UNIT, RecordedBody, share_body
from mock_atoms.state.member_list import MemberList
from mock_atoms.state.operations import (
    AddMembers,
    DataOperation,
    DeleteAudience,
    DeleteCampaign,
    PutAgent,
    PutAudience,
    PutCampaign,
    SetCampaigns,
    SetInitialData,
)
from mock_atoms.state.snapshot import agent_json, changes_json, initial_data_json
from mock_atoms.state.snapshot_parsing import (
    parse_agent_changes,
    parse_audience_changes,
    parse_campaigns,
    parse_listed_campaigns,
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_SHARED_HEADS = 1_000
_ENDED = 7
"""Index of `Exchange.ended` in what `outcome_json` returns."""
_MAX_SHARED_LENGTH = 2_000
"""Longer texts are not shared, so that no client fills the memory with them."""


def tenant_json(tenant: Tenant) -> list[Any]:
    """Return a tenant as JSON."""
    test_digest = None if tenant.test_digest is None else tenant.test_digest.hex()
    return [tenant.key.hex(), tenant.token_digest.hex(), tenant.label, tenant.test_id, test_digest]


def parse_tenant(content: list[Any]) -> Tenant:
    """Return the tenant that `tenant_json` wrote."""
    return _parse_shared_tenant(*content)


@lru_cache(_MAX_SHARED_HEADS)
def _parse_shared_tenant(
    key: str, token_digest: str, label: str, test_id: str | None, test_digest: str | None
) -> Tenant:
    return Tenant(
        bytes.fromhex(key),
        bytes.fromhex(token_digest),
        label,
        test_id,
        None if test_digest is None else bytes.fromhex(test_digest),
    )


class _ForeignHead(RequestHead):
    """A request to another server. It is parsed on first access to one of its rarely used attributes.

    Args:
        text: the rest of the head, as `_head_json` wrote it.
        tenant: see `RequestHead`.
        index_keys: see `RequestHead`.
        operation: see `RequestHead`.
        violations: see `RequestHead`.
        weight: see `RequestHead`.
    """

    __slots__ = ("_text",)

    def __init__(  # noqa: PLR0913, PLR0917 - the parts of a head
        self,
        text: str,
        tenant: Tenant,
        index_keys: tuple[bytes, ...],
        operation: str,
        violations: tuple[Violation, ...],
        weight: int,
    ) -> None:
        self._text = text
        self.tenant = tenant
        self.index_keys = index_keys
        self.operation = operation
        self.violations = violations
        self.weight = weight

    def __getattr__(self, name: str) -> object:
        """Parse the head: Python calls this for attributes that are not set yet."""
        digests, self.method, self.url, self.scheme, self.http_version, self.host, headers = json.loads(self._text)
        self.credential_digests = tuple(map(bytes.fromhex, digests))
        self.headers = tuple((name, value) for name, value in headers)
        self._text = ""
        return object.__getattribute__(self, name)


def request_json(exchange: Exchange) -> list[Any]:
    """Return an exchange that begins as JSON."""
    head = exchange.head
    arrived_at = (exchange.arrived_at - _EPOCH) // timedelta(microseconds=1)
    return [
        _head_json(head),
        *tenant_json(head.tenant),
        ",".join([key.hex() for key in head.index_keys]),
        head.operation,
        _violations_json(head.violations),
        head.weight,
        arrived_at,
        exchange.started_at,
        exchange.client_address,
        exchange.client_port,
    ]


def _head_json(head: RequestHead) -> str:
    digests = [digest.hex() for digest in head.credential_digests]
    return json.dumps([digests, head.method, head.url, head.scheme, head.http_version, head.host, head.headers])


def parse_request(content: list[Any]) -> Exchange:
    """Return the exchange that `request_json` wrote."""
    *head_content, arrived_at, started_at, address, port = content
    parse_head = _parse_shared_head if len(head_content[0]) <= _MAX_SHARED_LENGTH else _parse_head
    arrived = _EPOCH + timedelta(microseconds=arrived_at)
    return Exchange(parse_head(*head_content), arrived, started_at, address, port)


def _parse_head(text: str, *content: Any) -> RequestHead:  # noqa: ANN401 - any JSON
    *tenant, keys, operation, violations, weight = content
    index_keys = tuple(map(bytes.fromhex, keys.split(","))) if keys else ()
    parsed = _parse_violations(violations)
    return _ForeignHead(text, _parse_shared_tenant(*tenant), index_keys, operation, parsed, weight)


def _violations_json(violations: tuple[Violation, ...]) -> str:
    """Return violations as a text, which can be the key of a cache."""
    return json.dumps(violations) if violations else ""


def _parse_violations(text: str) -> tuple[Violation, ...]:
    return tuple(Violation(*fields) for fields in json.loads(text)) if text else ()


_parse_shared_head = lru_cache(_MAX_SHARED_HEADS)(_parse_head)


def outcome_json(exchange: Exchange) -> list[Any]:
    """Return what an exchange has had since it began, as JSON."""
    response_head = exchange.response_head
    is_short = response_head.weight * WEIGHT_UNIT <= _MAX_SHARED_LENGTH
    to_json = _shared_response_head_json if is_short else _response_head_json
    return [
        exchange.id,
        exchange.body.decode("latin-1"),
        exchange.body_size,
        exchange.body_tail_digest.hex(),
        exchange.is_body_complete,
        exchange.response_started_at,
        exchange.ended_at,
        exchange.ended,
        exchange.status,
        to_json(response_head),
        exchange.response_body.content.decode("latin-1"),
        exchange.bytes_sent,
        exchange.faults,
        exchange.reason,
        exchange.delay_ms,
        exchange.has_malformed_body,
        _violations_json(exchange.later_violations),
        exchange.stub,
    ]


def has_ended(content: list[Any]) -> bool:
    """Return whether an exchange has ended, given what `outcome_json` wrote."""
    return content[_ENDED] is not None


def update_outcome(exchange: Exchange, content: list[Any]) -> None:
    """Give an exchange of another server what `outcome_json` wrote."""
    request_id, body, size, tail, is_complete, response_started_at, ended_at, ended, *response = content
    status, headers, response_body, bytes_sent, *rest = response
    exchange.id = request_id or exchange.id  # a server that gives up may know neither the id nor the faults
    exchange.body, exchange.body_size = body.encode("latin-1"), size
    exchange.body_tail_digest, exchange.is_body_complete = bytes.fromhex(tail), is_complete
    exchange.response_started_at, exchange.ended_at = response_started_at, ended_at
    exchange.ended, exchange.status, exchange.bytes_sent = ended, status, bytes_sent
    parse_head = _parse_shared_response_head if len(headers) <= _MAX_SHARED_LENGTH else _parse_response_head
    exchange.response_head = parse_head(headers)
    exchange.response_body = _recorded_body(response_body.encode("latin-1"))
    faults, exchange.reason, exchange.delay_ms, exchange.has_malformed_body, violations, stub = rest
    exchange.later_violations = _parse_violations(violations)
    exchange.stub = stub and intern(stub)
    exchange.faults = tuple(faults) or exchange.faults


def _recorded_body(content: bytes) -> RecordedBody:
    if not content:
        return NO_BODY
    return share_body(content) if len(content) <= MAX_SHARED_BODY_BYTES else RecordedBody(content)


def _response_head_json(head: ResponseHead) -> str:
    return json.dumps([part.decode("latin-1") for header in head.headers for part in header])


_shared_response_head_json = lru_cache(_MAX_SHARED_HEADS)(_response_head_json)


def _parse_response_head(text: str) -> ResponseHead:
    parts = [part.encode("latin-1") for part in json.loads(text)]
    pairs = tuple(zip(parts[::2], parts[1::2], strict=True))
    return share_response_head(pairs) if sum(map(len, parts)) <= MAX_SHARED_HEAD_BYTES else ResponseHead(pairs)


_parse_shared_response_head = lru_cache(_MAX_SHARED_HEADS)(_parse_response_head)


def operation_json(operation: DataOperation) -> Steps[list[Any]]:  # noqa: PLR0911 - one for each kind
    """Return a change of data as JSON. Long parts are texts, which are parsed in steps."""
    match operation:
        case SetInitialData(initial_data):
            return ["set", (yield from render_steps(initial_data_json(initial_data))).decode()]
        case PutAudience(audience_id, changes, new_ids):
            return ["put", (yield from render_steps(changes_json(audience_id, changes))).decode(), new_ids]
        case AddMembers(audience_id, phone_column, members, updated_at):
            return ["add", audience_id, phone_column, list(members.texts()), updated_at]
        case DeleteAudience(audience_id, is_created, campaigns):
            return ["delete", audience_id, is_created, (yield from _campaigns_text(campaigns))]
        case SetCampaigns(audience_id, phone_column, campaigns):
            return ["set campaigns", audience_id, phone_column, (yield from _campaigns_text(campaigns))]
        case PutCampaign(campaign, new_ids):
            return ["put campaign", campaign, new_ids]
        case DeleteCampaign(campaign_id, is_created):
            return ["delete campaign", campaign_id, is_created]
        case PutAgent(agent_id, agent_changes, new_ids):
            return ["put agent", agent_json(agent_id, agent_changes), new_ids]
        case _:  # pragma: no cover - mypy checks that all kinds are here
            assert_never(operation)


def _campaigns_text(campaigns: list[CampaignRecord]) -> Steps[str]:
    return (yield from render_steps(campaign for campaign in campaigns)).decode()


def parse_operation(content: list[Any]) -> Steps[DataOperation]:  # noqa: PLR0911 - one for each kind
    """Return the change of data that `operation_json` wrote."""
    match content:
        case ["set", text]:
            fields = yield from parse_own_json(text.encode())
            audiences = yield from parse_audiences(fields["audiences"], "/audiences", ImportedAudience)
            initial_data = InitialData(audiences, fields.get("organization"))
            yield from initial_data.measure()
            return SetInitialData(initial_data)
        case ["put", text, new_ids]:
            part = yield from parse_audience_changes((yield from parse_own_json(text.encode())), "")
            return PutAudience(part.id, part.changes, new_ids)
        case ["add", audience_id, phone_column, texts, updated_at]:
            return AddMembers(audience_id, phone_column, (yield from MemberList.parse(texts, phone_column)), updated_at)
        case ["delete", audience_id, is_created, text]:
            fields = yield from parse_own_json(text.encode())
            return DeleteAudience(audience_id, is_created, (yield from parse_campaigns(fields, "")))
        case ["set campaigns", audience_id, phone_column, text]:
            fields = yield from parse_own_json(text.encode())
            return SetCampaigns(audience_id, phone_column, parse_listed_campaigns(fields))
        case ["put campaign", fields, new_ids]:
            (campaign,) = yield from parse_campaigns([fields], "")
            return PutCampaign(campaign, new_ids)
        case ["delete campaign", campaign_id, is_created]:
            return DeleteCampaign(campaign_id, is_created)
        case ["put agent", fields, new_ids]:
            agent_id, agent_changes = parse_agent_changes(fields, "")
            return PutAgent(agent_id, agent_changes, new_ids)
        case _:
            raise ValueError(f"unknown change of data: {content[0]}")
