"""What a test asks of a mock server that runs, in this process or elsewhere: `MockClient` drives its control API.

It needs the standard library alone.
"""

import http.client
import json
import ssl
import time
from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlencode, urlsplit

from mock_atoms.core.http_text import compile_path_template, parse_query

if TYPE_CHECKING:
    from smallestai.environment import SmallestAIEnvironment

DEFAULT_BASE_PATH = "/atoms/v1"
_TIMEOUT_SECONDS = 30.0
_LOOK_SECONDS = 0.02  # between two looks at a server that is waited for


class ControlError(RuntimeError):
    """A call of the control API failed. Its text is one line, the server's own words where it answered.

    Attributes:
        status: HTTP status of the answer, or `None` where there was none.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """A request as the journal keeps it, and what became of it. Credentials in it are masked.

    Attributes:
        id: the `x-request-id` of the answer.
        method: HTTP method as sent.
        path: path as sent, without the query.
        query: the values of each query parameter, decoded.
        headers: lower-case names and values; several of one name are joined by a comma.
        body: the first 64 KiB of what was sent.
        body_size: how many bytes were sent in all.
        tenant: the token, masked.
        test_id: what `X-Test-Id` said.
        attempt: the how-manieth attempt of its call it was.
        status: HTTP status of the answer, or `None` where there was none.
        ended: `answered`, `aborted` or a connection fault; `None` while it is in flight.
        faults: ids of the rules that struck.
        reason: why the answer is what it is, where that is the mock's doing and not the API's.
        duration_ms: how long it took, or `None` while it is in flight.
        arrived: when it came, in UTC.
    """

    id: str
    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes = field(repr=False)
    body_size: int
    tenant: str
    test_id: str | None
    attempt: int
    status: int | None
    ended: str | None
    faults: tuple[str, ...]
    reason: str | None
    duration_ms: float | None
    arrived: datetime

    def json(self) -> Any:  # noqa: ANN401 - any JSON
        """Return the JSON that was sent.

        Raises:
            ValueError: it was none, or longer than what is kept.
        """
        return json.loads(self.body)

    def __str__(self) -> str:
        """Return a line for people."""
        query = f"?{urlencode(self.query, doseq=True)}" if self.query else ""
        met = self.status if self.ended == "answered" else self.ended or "in flight"
        taken = "" if self.duration_ms is None else f" in {self.duration_ms:.0f} ms"
        line = f"{self.arrived:%H:%M:%S.%f}"[:-3] + f" {self.method} {self.path}{query} → {met}{taken}"
        for name, value in (
            ("attempt", self.attempt if self.attempt > 1 else None),
            ("fault", ",".join(self.faults)),
            ("reason", self.reason),
            ("body", f"{self.body_size} bytes" if self.body_size else ""),
        ):
            if value:
                line += f" {name}={value}"
        return line


@dataclass(frozen=True, slots=True)
class RetryReport:
    """What clients did after a failure; docs/retries.md has the keys of its parts.

    Attributes:
        calls: what was wanted once each, with its attempts, its outcome and its findings.
        summary: how many there are of what.
        text: all of it, for people.
    """

    calls: list[dict[str, Any]]
    summary: dict[str, Any]
    text: str = field(repr=False)

    @property
    def findings(self) -> list[dict[str, Any]]:
        """What clients did wrong, in all calls."""
        return [finding for call in self.calls for finding in call["findings"]]

    def __str__(self) -> str:
        """Return it for people."""
        return self.text


class MockClient:
    """Drives a mock server that runs, and asks it what clients sent.

    Where a method takes `token` and `test_id` and is given none, those of this client count; where it has none either,
    everybody is meant.

    Args:
        url: base URL of the API, as the ready line says it; without a path, `/atoms/v1` is taken for it, and `/` at
            the end means that the API is at the root.
        token: the token whose tenant is meant.
        test_id: the `X-Test-Id` that is meant.
        admin_token: what the server was given as `--admin-token`.
        ca_file: certificate to trust, of an authority or the server's own, where it speaks TLS.

    Raises:
        ValueError: the URL is none of HTTP.
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
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url!r} is no base URL: give one such as http://127.0.0.1:28667{DEFAULT_BASE_PATH}")
        self.token = token
        self.test_id = test_id
        self._root_url = f"{parts.scheme}://{parts.netloc}"
        self._base_path = parts.path.rstrip("/") if parts.path else DEFAULT_BASE_PATH
        self._admin_token = admin_token
        self._ca_file = ca_file
        self._made: list[str] = []

    @property
    def root_url(self) -> str:
        """URL of the server, without a path."""
        return self._root_url

    @property
    def url(self) -> str:
        """Base URL of the API, to give to a client."""
        return self.root_url + self._base_path

    def of(self, token: str, test_id: str | None = None) -> "MockClient":
        """Return a client of the same server that means one tenant, unless it is told otherwise."""
        return MockClient(
            f"{self.url}/",
            token=token,
            test_id=test_id,
            admin_token=self._admin_token,
            ca_file=self._ca_file,
        )

    def ssl_context(self) -> ssl.SSLContext:
        """Return what a client in Python trusts the server by, where it speaks TLS: `httpx.Client(verify=…)`."""
        context = ssl.create_default_context(cafile=self._ca_file)
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # the file may be of the server's own certificate
        return context

    def sdk_environment(self) -> "SmallestAIEnvironment":
        """Return the environment that points the official SDK here: `SmallestAI(api_key=…, environment=…)`.

        Raises:
            ImportError: there is no `smallestai`.
        """
        from smallestai.environment import SmallestAIEnvironment  # noqa: PLC0415 - not everybody has it

        sockets = "ws" + self.root_url.removeprefix("http")
        return SmallestAIEnvironment(atoms=self.url, waves=self.root_url, waves_ws=sockets, payment=self.root_url)

    def fail(
        self,
        fault: str | Mapping[str, Any],
        *,
        method: str | None = None,
        path: str | None = None,
        token: str | None = None,
        test_id: str | None = None,
    ) -> str:
        """Put a rule in force: behind those made before, ahead of those given at start.

        Args:
            fault: an expression such as `500x2` or `GET /audience 500x2`, or a rule as docs/faults.md has it.
            method: strikes requests of this method alone.
            path: strikes requests to this path below the base path, such as `/audience/{id}`.
            token: strikes this token alone.
            test_id: strikes this test alone.

        Returns:
            The rule's id, as it stands in `X-Mock-Atoms-Fault`.

        Raises:
            ControlError: the server does not take it.
            TypeError: it is neither text nor a mapping.
        """
        if not isinstance(fault, str | Mapping):
            raise TypeError(
                f"{fault!r} is no fault: give an expression such as '500x2', or a rule as docs/faults.md has it"
            )
        if isinstance(fault, str) and len(parts := fault.split()) == 3 and method is None and path is None:  # noqa: PLR2004 - as is said
            method, path, fault = parts
        rule: dict[str, Any] = {"fault": fault.strip()} if isinstance(fault, str) else {**fault}
        match = dict(rule.get("match") or {})
        narrowed = {"method": method, "path": path, **self._whose(token, test_id)}
        match |= {name: value for name, value in narrowed.items() if value is not None and name not in match}
        made: str = self._call("POST", "/faults", {**rule, "match": match})["id"]
        self._made.append(made)
        return made

    def clear_faults(self, rule_id: str | None = None) -> None:
        """Take a rule out of force, or all that were made through this client.

        Args:
            rule_id: its id. Where none is given, those that are out of force already are passed over.

        Raises:
            ControlError: there is none of that id.
        """
        if rule_id is not None:
            self._call("DELETE", f"/faults/{rule_id}")
            return
        while self._made:
            try:
                self.clear_faults(self._made.pop())
            except ControlError as error:
                if error.status != HTTPStatus.NOT_FOUND:
                    raise

    def requests(
        self,
        *,
        method: str | None = None,
        path: str | None = None,
        status: int | None = None,
        token: str | None = None,
        test_id: str | None = None,
    ) -> list[RecordedRequest]:
        """Return what clients sent, the oldest first.

        Args:
            method: requests of this method alone, in any case.
            path: requests to this path alone, such as `/audience/{id}`, with the base path before it or without.
            status: requests that were answered with this status alone.
            token: requests of this token alone, valid or not.
            test_id: requests of this test alone.

        Raises:
            ControlError: the journal is off, or the control API is not to be had.
            ValueError: the path is none.
        """
        told = self._call("GET", "/requests", query=self._whose(token, test_id))
        if told.get("requestJournalDisabled"):
            raise ControlError("the journal is off: start the server without --journal-size 0")
        found = [_recorded(event["request"]) for event in reversed(told["requests"])]
        wanted = None if path is None else compile_path_template(self._whole(path), trailing_slash=True)
        return [
            request
            for request in found
            if (method is None or method.upper() == request.method)
            and status in (None, request.status)
            and (wanted is None or wanted.fullmatch(request.path))
        ]

    def wait_for_requests(  # noqa: PLR0913 - those of `requests`, and two more
        self,
        count: int,
        timeout: float = 5.0,
        *,
        method: str | None = None,
        path: str | None = None,
        status: int | None = None,
        token: str | None = None,
        test_id: str | None = None,
    ) -> list[RecordedRequest]:
        """Return what clients sent, once there are `count` requests or more that are over.

        Args:
            count: how many.
            timeout: for how many seconds to wait.
            method: as in `requests`, and so are the others.
            path: see there.
            status: see there.
            token: see there.
            test_id: see there.

        Raises:
            TimeoutError: there are not so many in time; its text tells those that there are.
            ControlError: as in `requests`.
        """
        deadline = time.monotonic() + timeout
        while True:
            is_over = time.monotonic() >= deadline
            found = self.requests(method=method, path=path, status=status, token=token, test_id=test_id)
            ended = [request for request in found if request.ended is not None]
            if len(ended) >= count:
                return ended
            if is_over:
                lines = "".join(f"\n{request}" for request in found)
                raise TimeoutError(f"{len(ended)} of {count} requests after {timeout:g} s{lines}")
            time.sleep(_LOOK_SECONDS)

    def retries(self, *, token: str | None = None, test_id: str | None = None, **options: int) -> RetryReport:
        """Return what clients did after a failure.

        Args:
            token: of this token alone.
            test_id: of this test alone.
            options: `minBackoffMs` and the other parameters of docs/retries.md.

        Raises:
            ControlError: the journal is off, or the control API is not to be had.
        """
        query = {**options, **self._whose(token, test_id)}
        told = self._call("GET", "/retries", query=query)
        if told.get("requestJournalDisabled"):
            raise ControlError("the journal is off: start the server without --journal-size 0")
        text = self._call("GET", "/retries", query={**query, "format": "text"})
        return RetryReport(told["calls"], told["summary"], text)

    def set_audiences(
        self, audiences: Sequence[Mapping[str, Any]], *, token: str | None = None, test_id: str | None = None
    ) -> list[dict[str, Any]]:
        """Say what one tenant holds, as a fixture file would, and return it as the API lists it.

        Args:
            audiences: keys of each, as docs/fixtures.md has them; what is left out is made.
            token: whose they are.
            test_id: of which test of its.

        Raises:
            ControlError: the server does not take them, or no token is given.
        """
        told = self._call("PUT", "/tenants", {**self._whose(token, test_id), "audiences": [*audiences]})
        listed: list[dict[str, Any]] = told["audiences"]
        return listed

    def reset(self, *, token: str | None = None, test_id: str | None = None) -> None:
        """Begin anew: forget data, rules, counters and journal, of everybody or of one tenant.

        Raises:
            ControlError: the control API is not to be had.
        """
        self._call("POST", "/reset", self._whose(token, test_id))

    def wait_until_healthy(self, timeout: float = 30.0) -> Self:
        """Return once the server is up.

        Args:
            timeout: for how many seconds to wait.

        Raises:
            ControlError: it is not up in time.
        """
        deadline = time.monotonic() + timeout
        while True:
            is_over = time.monotonic() >= deadline
            try:
                self._call("GET", "/health")
            except ControlError:
                if is_over:
                    raise
                time.sleep(_LOOK_SECONDS)
            else:
                return self

    def _whole(self, path: str) -> str:
        if not path.startswith("/"):
            raise ValueError(f"{path!r} is no path: give one such as /audience/{{id}}")
        return path if path.startswith(f"{self._base_path}/") else self._base_path + path

    def _whose(self, token: str | None, test_id: str | None) -> dict[str, str]:
        if token is None and test_id is None:
            token, test_id = self.token, self.test_id
        given = {"token": token, "testId": test_id}
        return {name: value for name, value in given.items() if value is not None}

    def _call(self, method: str, path: str, content: object = None, query: Mapping[str, object] | None = None) -> Any:  # noqa: ANN401 - any JSON, or text
        """Return what the control API answers to one call, on a connection of its own."""
        parts = urlsplit(self.root_url)
        target = f"/__admin{path}" + (f"?{urlencode(query)}" if query else "")
        headers = {"Content-Type": "application/json"}
        if self._admin_token is not None:
            headers["Authorization"] = f"Bearer {self._admin_token}"
        body = None if content is None else json.dumps(content).encode()
        try:
            connection = self._connection(parts.hostname or "", parts.port)
            try:
                connection.request(method, target, body, headers)
                answer = connection.getresponse()
                text = answer.read().decode()
            finally:
                connection.close()
        except (OSError, http.client.HTTPException) as error:
            reason = str(error) or type(error).__name__
            raise ControlError(f"no mock server answers at {self.root_url}: {reason}") from None
        is_json = answer.headers.get_content_type() == "application/json"
        if answer.status >= HTTPStatus.BAD_REQUEST or not (is_json or target.endswith("format=text")):
            raise ControlError(_problem(method, path, answer.status, text), answer.status)
        return json.loads(text) if is_json else text

    def _connection(self, host: str, port: int | None) -> http.client.HTTPConnection:
        if self.root_url.startswith("http:"):
            return http.client.HTTPConnection(host, port, timeout=_TIMEOUT_SECONDS)
        return http.client.HTTPSConnection(host, port, timeout=_TIMEOUT_SECONDS, context=self.ssl_context())


def _problem(method: str, path: str, status: int, text: str) -> str:
    """Return in a line what the control API says of a call that failed."""
    try:
        (error, *_) = json.loads(text)["errors"]
        where = f"{error['source']['pointer']}: " if error["source"]["pointer"] else ""
        said = f"{error['title']}: {where}{error['detail']}"
    except (ValueError, KeyError, TypeError):
        said = "this is no control API of a mock server"
    return f"{method} {path}: {status}: {said}"


def _recorded(request: Mapping[str, Any]) -> RecordedRequest:
    path, _, query = request["url"].partition("?")
    headers: dict[str, str] = {}
    for name, given in request["headers"].items():
        headers[name.lower()] = given if isinstance(given, str) else ", ".join(given)
    ours = request["mockAtoms"]
    return RecordedRequest(
        id=ours["id"],
        method=request["method"],
        path=path,
        query=parse_query(query),
        headers=headers,
        body=b64decode(request["bodyAsBase64"]),
        body_size=ours["bodySize"],
        tenant=ours["tenant"],
        test_id=ours["testId"],
        attempt=ours["attempt"],
        status=ours["status"],
        ended=ours["ended"],
        faults=tuple(ours["faults"]),
        reason=ours["reason"],
        duration_ms=ours["durationMs"],
        arrived=datetime.fromtimestamp(request["loggedDate"] / 1000, UTC),
    )
