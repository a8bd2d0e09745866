"""Why a server responded as it did, in sentences."""

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from mock_atoms.cli.faults import describe_effect, describe_requests
from mock_atoms.contract.similar_operations import operation_at_end
from mock_atoms.core.tenancy import magic_word
from mock_atoms.journal.exchange import ABORTED, OUTSIDE_BASE_PATH, RESPONDED, UNROUTED
from mock_atoms.testing.recorded_request import error_messages
from mock_atoms.wiremock.conditions import URL_FIELDS

if TYPE_CHECKING:
    from mock_atoms.testing.client import MockClient

Event = Mapping[str, Any]
"""An exchange as `GET /__admin/requests` returns it."""

REASONS = {
    "missing-credentials": "The request has no Authorization header and no session cookie.",
    "malformed-authorization": "The Authorization header is not “Bearer” and one token.",
    "unknown-token": "The token is not in --tokens.",
    "revoked-token": "The token is the magic key that represents a revoked one.",
    "unmocked-route": "No stub matched, and the route is not one of the mocked operations.",
    "outside-base-path": "The path is not below the base path of the API.",
    "tenant-full": "The changes of the tenant reach a limit of the mock.",
    "alter-too-large": "The field `alter` of a fault rule reaches a limit of the mock.",
    "bodies-in-flight": "The request bodies in flight reach a limit of the mock.",
    "store-unavailable": "The shared store cannot record the request or its change.",
    "request-timeout": "The client stopped sending the body.",
    "malformed-request": "The body is not valid HTTP/1.1, such as a malformed chunk.",
    "bad-prefer": "The Prefer header is invalid.",
    "unknown-magic-word": "The word of the magic key is unknown, so the key is an ordinary token.",
    "contract-violation": "The request violates the documented contract, and the server is strict.",
    "aborted": "The client disconnected, or the server stopped, before the response was complete.",
    "shutting-down": "The server stopped during a delay.",
    "bug-in-mock": "An error of the mock. Its log has the traceback.",
}
"""Sentences about reasons; docs/journal.md describes them. The dashboard has the same ones in explain.js."""

MAX_DISTANCE = 0.35
"""Maximum distance of a near miss that is shown; the same as in detail.js."""
_CONNECTION = "connection-"


class Causes:
    """Explains exchanges. Fetches fault rules and near misses on demand, and caches them.

    Args:
        client: client of the server.
        query: parameters of `GET /__admin/requests/unmatched/near-misses` that select the exchanges too.
    """

    def __init__(self, client: "MockClient", query: Mapping[str, str]) -> None:
        self._call = client.control.call
        self._base_path = client.url.removeprefix(client.root_url)
        self._query = query
        self._rules: dict[str, Mapping[str, Any] | None] = {}  # `None` for rules that were removed
        self._near_misses: dict[str, str] = {}

    def of(self, event: Event) -> list[str]:
        """Return why the response to a request is not the regular one, the most important cause first."""
        own = event["request"]["mockAtoms"]
        causes = [self._of_fault(rule_id, event) for rule_id in own["faults"]]
        causes += self._of_reason(event)
        if own["ended"] == ABORTED:
            causes.append(REASONS[ABORTED])
        if not causes and (own["status"] or 0) >= HTTPStatus.BAD_REQUEST:
            errors = " ".join(error_messages(event.get("response", {}).get("body", "")))
            causes.append(f"The mocked operation rejects the request{f': {errors}' if errors else '.'}")
        return causes

    def nearest(self, event: Event) -> str:
        """Describe the operation or stub nearest to a request to an unknown route, with the differences.

        Returns an empty string if the route is known or nothing is near.
        """
        if event["request"]["mockAtoms"]["reason"] not in UNROUTED:
            return ""
        if event["id"] not in self._near_misses:
            content = self._call("GET", "/requests/unmatched/near-misses", query=self._query)
            self._near_misses = {event["id"]: ""} | {
                miss["request"]["mockAtoms"]["id"]: _describe(miss)
                if miss["matchResult"]["distance"] <= MAX_DISTANCE
                else ""
                for miss in content["nearMisses"]
            }
        return self._near_misses[event["id"]]

    def _of_fault(self, rule_id: str, event: Event) -> str:
        match rule_id:
            case "key":
                return f"The magic key asks for {magic_word(event['request']['mockAtoms']['tenant'])}."
            case "prefer":
                return f"The Prefer header asks for {_prefer(event)}."
            case "error-rate":
                return "--error-rate chose this request."
        if rule_id not in self._rules:
            self._rules |= {rule_id: None} | {rule["id"]: rule for rule in self._call("GET", "/faults")["faults"]}
        rule = self._rules[rule_id]
        if rule is None:
            return f"The fault rule {rule_id} triggered. It has been removed since."
        return f"The fault rule {rule_id} triggered: {describe_effect(rule)}, for {describe_requests(rule)}."

    def _of_reason(self, event: Event) -> Iterator[str]:
        own = event["request"]["mockAtoms"]
        reason = own["reason"] or ""
        fault = reason.removeprefix(_CONNECTION) if reason.startswith(_CONNECTION) else ""
        if "stubMapping" in event:
            stub = event["stubMapping"]
            name = f"“{stub['name']}”" if stub.get("name") else stub["id"]
            broken = "" if own["ended"] in (None, RESPONDED, ABORTED) else f" and breaks the connection: {own['ended']}"
            yield f"The stub {name} matches the request{broken}."
        elif fault:
            if not own["faults"]:
                yield f"A fault broke the connection: {fault}."
        elif reason == OUTSIDE_BASE_PATH:
            operation = operation_at_end(event["request"]["method"], event["request"]["url"].partition("?")[0])
            similar = operation and f" Did you mean {operation.method} {self._base_path}{operation.path}?"
            yield f"The path is not below the base path {self._base_path}.{similar or ''}"
        elif reason not in ("", ABORTED):
            yield REASONS.get(reason, f"{reason}.")


def _prefer(event: Event) -> str:
    """Return the value of the header `Prefer`."""
    headers = event["request"]["headers"]
    values = next((value for name, value in headers.items() if name.lower() == "prefer"), "this response")
    return values if isinstance(values, str) else ", ".join(values)


def _describe(miss: Mapping[str, Any]) -> str:
    """Return the pattern of a near miss, and what differs."""
    pattern = miss["requestPattern"]
    path = next((pattern[name] for name in URL_FIELDS if name in pattern), "")
    parts = [f"{pattern.get('method', 'ANY')} {path}".rstrip()]
    for difference in miss["request"]["mockAtoms"]["differences"]:
        actual = "absent" if difference["actual"] is None else difference["actual"]
        field = "path" if difference["field"] in URL_FIELDS else difference["field"]
        parts.append(f"{field}: expected {difference['expected']}, but was {actual}")
    return "; ".join(parts)
