"""`MockClient` drives a running mock server through its control API. Needs only the standard library."""

import ssl
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

from mock_atoms.core.addresses import CONTROL_PREFIX, full_path
from mock_atoms.core.http_text import PathTemplate
from mock_atoms.core.masking import mask_token, quote_value, show_text
from mock_atoms.testing.campaigns import Campaigns
from mock_atoms.testing.contract_violation import ContractViolation
from mock_atoms.testing.control_api import (
    DEFAULT_BASE_PATH,
    TIMEOUT_SECONDS,
    ControlApi,
    ControlError,
    delete_all,
    split_base_url,
)
from mock_atoms.testing.event_stream import EventStream
from mock_atoms.testing.recorded_request import RecordedRequest
from mock_atoms.testing.retry_report import RetryReport, describe_dropped
from mock_atoms.testing.sdk import redirect_sdk, sdk_environment
from mock_atoms.testing.stubbing import Stubbing

if TYPE_CHECKING:
    from smallestai.environment import SmallestAIEnvironment

_HEALTH_POLL_SECONDS = 0.02
_HEALTH_CALL_SECONDS = 1.0  # an address without a machine never responds
_MAX_WAIT_SECONDS = 60.0
_IN_FLIGHT_WAIT_SECONDS = 0.05  # the control API reports arrivals, not the end of a request
MAX_LISTED_REQUESTS = 50
"""Number of requests in the message of a `wait_for_requests` that times out."""


class MockClient(Stubbing):
    """Drives a running mock server, and reports which requests it received.

    Methods that take `token` and `test_id` default to those of this client. If it has none, they apply to all tenants.

    Args:
        url: base URL of the API, as the server prints it when ready. Without a path, or with that of the dashboard,
            it means `/atoms/v1` below it. A trailing `/` alone means that the API is at the root.
        token: default token.
        test_id: default `X-Test-Id`.
        admin_token: value of the server's `--admin-token`.
        ca_file: certificate to trust if the server speaks TLS: its CA's or its own.

    Raises:
        ValueError: the URL is not an HTTP URL, or has a user name or a password.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        test_id: str | None = None,
        admin_token: str | None = None,
        ca_file: Path | str | None = None,
    ) -> None:
        parts = split_base_url(url)
        self.token = token
        self.test_id = test_id
        self._control = ControlApi(f"{parts.scheme}://{parts.netloc}", admin_token, ca_file)
        names_api = parts.path and not f"{parts.path}/".startswith(f"{CONTROL_PREFIX}/")
        self._base_path = parts.path.rstrip("/") if names_api else DEFAULT_BASE_PATH
        self._rule_ids: list[str] = []

    @property
    def root_url(self) -> str:
        """URL of the server, without a path."""
        return self._control.root_url

    @property
    def url(self) -> str:
        """Base URL of the API, to configure a client with."""
        return self.root_url + self._base_path

    @property
    def control(self) -> ControlApi:
        """The control API, for endpoints that have no method here: `mock.control.call("GET", "/tenants")`."""
        return self._control

    def for_tenant(self, token: str, test_id: str | None = None) -> "MockClient":
        """Return a client of the same server whose methods default to one tenant."""
        client = MockClient(f"{self.url}/", token=token, test_id=test_id)
        client._control = self._control  # both share the connections
        return client

    def ssl_context(self) -> ssl.SSLContext:
        """Return a context that trusts the server's certificate: `httpx.Client(verify=…)`."""
        return self._control.ssl_context()

    def sdk_environment(self) -> "SmallestAIEnvironment":
        """Return the environment that points the official SDK here: `SmallestAI(…, environment=…)`.

        Raises:
            ImportError: `smallestai` is not installed, or older than 4.3.2.
        """
        return sdk_environment(self.root_url, self.url)

    def redirect_sdk(self, *, token: str | None = None) -> AbstractContextManager[None]:
        """Point every `SmallestAI()` and `AsyncSmallestAI()` of this process here, and the SDK's helpers.

        Use it as a context manager. Clients with their own `environment` keep it.

        Args:
            token: key of clients and helpers without one; by default the token of this client.

        Raises:
            ImportError: see `sdk_environment`.
        """
        return redirect_sdk(self.root_url, self.url, token or self.token)

    def fail(
        self,
        fault: str | Mapping[str, Any],
        *,
        method: str | None = None,
        path: str | None = None,
        token: str | None = None,
        test_id: str | None = None,
    ) -> str:
        """Add a fault rule. It is evaluated after the rules added before it, and before the startup rules.

        Args:
            fault: an expression such as `500x2` or `GET /audience 500x2`, or a rule as in docs/faults.md.
            method: match only this method, in any case.
            path: match only this path below the base path, such as `/audience/{id}`, or a path that only stubs have.
            token: match only this token.
            test_id: match only this `X-Test-Id`.

        Returns:
            The rule's id, as in `X-Mock-Atoms-Fault`.

        Raises:
            ControlError: the server rejects the rule.
            TypeError: the fault is neither text nor a mapping.
        """
        if not isinstance(fault, str | Mapping):
            raise TypeError(
                f'a fault must be text such as "500", or a rule (docs/faults.md), not {quote_value(repr(fault))}'
            )
        if isinstance(fault, str) and len(parts := fault.split()) == 3 and method is None and path is None:  # noqa: PLR2004 - method, path, expression
            method, path, fault = parts
        rule: dict[str, Any] = {"fault": fault.strip()} if isinstance(fault, str) else {**fault}
        defaults = {"method": method, "path": path, **self._tenant_fields(token, test_id)}
        match = {name: value for name, value in defaults.items() if value is not None} | (rule.get("match") or {})
        rule_id: str = self._control.call("POST", "/faults", {**rule, "match": match})["id"]
        self._rule_ids.append(rule_id)
        return rule_id

    def clear_faults(self, rule_id: str | None = None) -> None:
        """Remove one fault rule, or all rules that this client added.

        Args:
            rule_id: the rule to remove. Without it, rules that no longer exist are ignored.

        Raises:
            ControlError: there is no rule with that id.
        """
        if rule_id is not None:
            self._control.call("DELETE", f"/faults/{quote(rule_id, safe='')}")
        else:
            delete_all(self._rule_ids, self.clear_faults)

    def requests(  # noqa: PLR0913 - the filters of the journal
        self,
        *,
        method: str | None = None,
        path: str | None = None,
        status: int | str | None = None,
        failed: bool = False,
        token: str | None = None,
        test_id: str | None = None,
    ) -> list[RecordedRequest]:
        """Return the requests that the server received, oldest first.

        Args:
            method: only this method, in any case.
            path: only this path, such as `/audience/{id}`, with or without the base path.
            status: only responses with this status code, or of this class, such as `5xx`.
            failed: only requests that ended without a complete, well-formed response below 400.
            token: only this token, valid or not.
            test_id: only this `X-Test-Id`.

        Raises:
            ControlError: the journal is off, or the control API is not available.
            ValueError: the path does not start with a slash, has a query, or has adjacent parameters.
        """
        fields = self._request_fields(method, path, status, token, test_id)
        requests, _ = self._list(fields | {"failed": "true"} if failed else fields)
        return requests

    def _list(self, query: Mapping[str, object]) -> tuple[list[RecordedRequest], int]:
        """Return recorded requests, oldest first, and their number without the `limit` of the query."""
        content = journal_content(self._control.call("GET", "/requests", query=query))
        requests = [RecordedRequest.from_event(event) for event in reversed(content["requests"])]
        return requests, content["meta"]["total"]

    def wait_for_requests(  # noqa: PLR0913 - the same filters, and two more
        self,
        count: int,
        timeout: float = 5.0,
        *,
        method: str | None = None,
        path: str | None = None,
        status: int | str | None = None,
        token: str | None = None,
        test_id: str | None = None,
    ) -> list[RecordedRequest]:
        """Return the completed requests, oldest first, as soon as there are at least `count`.

        Args:
            count: minimum number of completed requests.
            timeout: seconds to wait.
            method: as in `requests`, like the other filters.
            path: see `requests`.
            status: see `requests`.
            token: see `requests`.
            test_id: see `requests`.

        Raises:
            TimeoutError: there were fewer in time; the message lists the latest requests of any status.
            ControlError: as in `requests`.
            ValueError: as in `requests`.
        """
        deadline = time.monotonic() + timeout
        fields = self._request_fields(method, path, status, token, test_id)
        received, _ = self._list(fields)
        while True:
            completed = [request for request in received if request.ended is not None]
            if len(completed) >= count:
                return completed
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                found = f"{len(completed)} of {count} requests{_describe_filters(fields)} completed"
                raise TimeoutError(f"{found} within {timeout:g} s{self._describe_latest(fields)}")
            longest_wait = _IN_FLIGHT_WAIT_SECONDS if len(received) >= count else _MAX_WAIT_SECONDS
            at_least = max(count, len(received) + 1)
            number = self._wait_for_arrivals(fields, at_least, min(remaining, longest_wait))
            if number != len(received) or len(completed) < len(received):
                received, _ = self._list(fields)

    def _request_fields(
        self, method: str | None, path: str | None, status: int | str | None, token: str | None, test_id: str | None
    ) -> dict[str, str]:
        """Return the query parameters that select requests."""
        if path is not None:
            PathTemplate(path)
            path = full_path(self._base_path, path)
        fields = {"method": method, "path": path, "status": None if status is None else str(status)}
        query = {name: value for name, value in fields.items() if value is not None}
        return {**query, **self._tenant_fields(token, test_id)}

    def _wait_for_arrivals(self, fields: Mapping[str, str], at_least: int, seconds: float) -> int:
        """Wait up to `seconds` for `at_least` requests, and return their number."""
        query = {**fields, "atLeast": at_least, "timeoutMs": round(seconds * 1000)}
        content = self._control.call("POST", "/requests/count", {}, query, TIMEOUT_SECONDS + seconds)
        number: int = content["count"]
        return number

    def _describe_latest(self, fields: Mapping[str, str]) -> str:
        """Return a line for each of the latest requests of any status, and the numbers of other and dropped ones."""
        query = {name: value for name, value in fields.items() if name != "status"}
        requests, total = self._list({**query, "limit": MAX_LISTED_REQUESTS})
        lines = [f"earlier requests: {total - len(requests)}"] if total > len(requests) else []
        retries = self.retries(token=fields.get("token"), test_id=fields.get("testId"), timeoutMs=0)
        lines = [*describe_dropped(retries.dropped), *lines, *map(str, requests)]
        return "".join(f"\n{line}" for line in lines)

    def retries(self, *, token: str | None = None, test_id: str | None = None, **options: int) -> RetryReport:
        """Return the retry report: how clients retried after failures.

        Args:
            token: only this token.
            test_id: only this `X-Test-Id`.
            options: `minBackoffMs` and the other parameters of docs/retries.md.

        Raises:
            ControlError: the journal is off, or the control API is not available.
        """
        query = {**options, **self._tenant_fields(token, test_id)}
        content = journal_content(self._control.call("GET", "/retries", query=query))
        return RetryReport(content["calls"], content["summary"], content["dropped"], content["unattributed"])

    def events(
        self, *, token: str | None = None, test_id: str | None = None, last_id: str | None = None
    ) -> EventStream:
        """Return the events of the server as they happen, to iterate over.

        Args:
            token: only events of this token, and those of all tenants.
            test_id: only events of this `X-Test-Id`, and those of all tenants.
            last_id: continue after the event with this id.

        Raises:
            ControlError: the control API is not available, or too many clients watch.
        """
        headers = {} if last_id is None else {"Last-Event-ID": last_id}
        return EventStream(*self._control.open("/events", self._tenant_fields(token, test_id), headers))

    def violations(self, *, token: str | None = None, test_id: str | None = None) -> list[ContractViolation]:
        """Return what clients sent that the API does not document. Equal violations are one item.

        Args:
            token: only this token, valid or not.
            test_id: only this `X-Test-Id`.

        Raises:
            ControlError: the journal is off, or the control API is not available.
        """
        content = journal_content(self._control.call("GET", "/violations", query=self._tenant_fields(token, test_id)))
        return [ContractViolation.from_json(violation) for violation in content["violations"]]

    def set_audiences(
        self, audiences: Sequence[Mapping[str, Any]], *, token: str | None = None, test_id: str | None = None
    ) -> list[dict[str, Any]]:
        """Set the audiences of one tenant until its next reset, and return them as the API lists them.

        Args:
            audiences: keys of each audience, as in docs/fixtures.md; missing keys are generated.
            token: token of the tenant.
            test_id: `X-Test-Id` of the tenant.

        Raises:
            ControlError: the server rejects the audiences, or there is no token.
        """
        items = audiences if isinstance(audiences, Mapping) else [*audiences]  # the server refuses a mapping
        payload = {**self._tenant_fields(token, test_id), "audiences": items}
        listed: list[dict[str, Any]] = self._control.call("PUT", "/tenants", payload)["audiences"]
        return listed

    def campaigns(self, token: str | None = None, *, test_id: str | None = None) -> Campaigns:
        """Return the campaigns of one tenant, to list them and to change their status.

        Args:
            token: token of the tenant.
            test_id: `X-Test-Id` of the tenant.
        """
        return Campaigns(self._control, self._tenant_fields(token, test_id))

    def reset(self, *, token: str | None = None, test_id: str | None = None) -> None:
        """Reset data, fault rules, counters and journal of one tenant, or of all. A complete reset removes stubs too.

        Raises:
            ControlError: the control API is not available.
        """
        self._control.call("POST", "/reset", self._tenant_fields(token, test_id) or None)

    def wait_until_healthy(self, timeout: float = 30.0) -> Self:
        """Return this client as soon as the server is healthy.

        Args:
            timeout: seconds to wait.

        Raises:
            ControlError: the server is not healthy in time.
        """
        deadline = time.monotonic() + timeout
        while True:
            remaining = deadline - time.monotonic()
            is_last = remaining <= 0
            try:
                self._control.check_health(max(remaining, _HEALTH_CALL_SECONDS))
            except ControlError:
                if is_last:
                    raise
                time.sleep(_HEALTH_POLL_SECONDS)
            else:
                return self

    def _tenant_fields(self, token: str | None, test_id: str | None) -> dict[str, str]:
        if token is None and test_id is None:
            token, test_id = self.token, self.test_id
        fields = {"token": token, "testId": test_id}
        return {name: value for name, value in fields.items() if value is not None}


def _describe_filters(fields: Mapping[str, str]) -> str:
    """Return ` with path=… status=…` for a message, with the token masked, or an empty text without filters."""
    filters = [f"{name}={mask_token(value) if name == 'token' else show_text(value)}" for name, value in fields.items()]
    return f" with {' '.join(filters)}" if filters else ""


def journal_content(content: dict[str, Any]) -> dict[str, Any]:
    """Return what an endpoint about the journal responded.

    Raises:
        ControlError: the journal is off.
    """
    if content.get("requestJournalDisabled"):
        raise ControlError("the journal is off: start the server without --journal-size 0")
    return content
