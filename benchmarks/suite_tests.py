"""The tests of the suite, as a team writes them, and how they control each kind of server.

A script that imports nothing of this package, so that it can run with the mock of another checkout. See `main`.
"""

import http.client
import json
import random
import sys
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, NamedTuple, Protocol

from mock_atoms import MockClient

HOST = "127.0.0.1"
LIST = "/atoms/v1/audience"
ROWS, PAGES, PAGE = 100, 3, 10
WAITED = 2
"""Number of requests that a test waits for."""
DELAY_SECONDS = 0.01
"""Time until they are sent, and between two polls of a server that cannot wait."""
TIMEOUT_SECONDS = 30.0
BOUNDARY = "of-the-form"
Sent = list[tuple[str, str]]
"""Method and path, with query, of each request."""


class Response(NamedTuple):
    """Status code and JSON of a response; `None` without a body."""

    status: int
    content: Any


class Http:
    """A light client: one connection that stays open."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection(HOST, port, timeout=TIMEOUT_SECONDS)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def send(
        self, method: str, path: str, body: object = None, token: str = "", content_type: str = "application/json"
    ) -> Response:
        """Send a request; a body that is not bytes is sent as JSON."""
        headers = {"Content-Type": content_type} if body is not None else {}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        self._connection.request(method, path, content, headers)
        response = self._connection.getresponse()
        received = response.read()
        return Response(response.status, json.loads(received) if received else None)

    def control(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - any JSON
        """Return the JSON of a control call that must succeed."""
        response = self.send(method, path, body)
        if response.status >= HTTPStatus.BAD_REQUEST:
            raise SystemExit(f"{method} {path}: {response.status} {response.content!r}")
        return response.content


class Control(Protocol):
    """What a test needs of a mock server besides the API. Each call is about one token."""

    def fail_twice(self, token: str) -> None:
        """Respond with 500 to the next two lists."""

    def requests(self, token: str) -> Sent:
        """Return the recorded requests, oldest first."""

    def retried(self, token: str) -> tuple[Sent, int]:
        """Return the recorded requests and the number of attempts of the only call."""

    def wait(self, token: str, count: int) -> Sent:
        """Return the recorded requests as soon as there are `count`."""

    def reset(self, token: str) -> None:
        """Remove requests, faults and changes."""


class Ours:
    """This mock, with `MockClient`."""

    def __init__(self, port: int) -> None:
        self._client = MockClient(f"http://{HOST}:{port}")

    def fail_twice(self, token: str) -> None:
        """Add a rule."""
        self._client.fail("500x2", token=token)

    def requests(self, token: str) -> Sent:
        """Return the journal of the token."""
        return [(request.method, _url(request.path, request.query)) for request in self._client.requests(token=token)]

    def retried(self, token: str) -> tuple[Sent, int]:
        """Return the journal of the token, and the attempts as the retry report has them."""
        (call,) = self._client.retries(token=token).calls
        return self.requests(token), len(call["attempts"])

    def wait(self, token: str, count: int) -> Sent:
        """Wait in one call."""
        received = self._client.wait_for_requests(count, token=token)
        return [(request.method, _url(request.path, request.query)) for request in received]

    def reset(self, token: str) -> None:
        """Reset the token."""
        self._client.reset(token=token)


def _url(path: str, query: dict[str, list[str]]) -> str:
    pairs = [f"{name}={value}" for name, values in query.items() for value in values]
    return f"{path}?{'&'.join(pairs)}" if pairs else path


def polled(requests: Callable[[str], Sent], token: str, count: int) -> Sent:
    """Repeat a query until there are `count` requests."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while len(found := requests(token)) < count:
        if time.monotonic() > deadline:
            raise SystemExit(f"{len(found)} of {count} requests arrived")
        time.sleep(DELAY_SECONDS)
    return found


class WireMock:
    """WireMock, as its documentation recommends: a scenario for each test that fails, and requests found by a header.

    The lists and pages that succeed are stubbed once for all tests, which costs less than stubs for each test.
    """

    def __init__(self, port: int) -> None:
        self._http = Http(port)
        self._stubs: list[str] = []

    @staticmethod
    def stubs(content: object) -> list[dict[str, Any]]:
        """Return the stubs of all tests beside the list; `content` is the list."""
        bearer = {"Authorization": {"matches": "Bearer .+"}}
        created = {"status": True, "data": {"_id": "60d0fe4f5311236168a109ca", "list": content}}
        page = {"status": True, "data": {"members": [{"data": {"phoneNumber": f"+1{row}"}} for row in range(PAGE)]}}
        return [
            {"request": {"method": method, "headers": bearer, **match}, "response": {"status": 200, "jsonBody": body}}
            for method, match, body in (
                ("POST", {"urlPath": LIST}, created),
                ("GET", {"urlPathPattern": f"{LIST}/[^/]+/members"}, page),
                ("DELETE", {"urlPathPattern": f"{LIST}/[^/]+"}, {"status": True}),
            )
        ]

    def fail_twice(self, token: str) -> None:
        """Add two stubs of a scenario; the stub of all tests serves what follows."""
        for state, following in (("Started", "failed once"), ("failed once", "failed twice")):
            stub = {
                "scenarioName": token,
                "requiredScenarioState": state,
                "newScenarioState": following,
                "request": {"method": "GET", "urlPath": LIST, **self._pattern(token)},
                "response": {"status": 500, "jsonBody": {"status": False}},
            }
            self._stubs.append(self._http.control("POST", "/__admin/mappings", stub)["id"])

    def requests(self, token: str) -> Sent:
        """Find the requests with the token."""
        found = self._http.control("POST", "/__admin/requests/find", self._pattern(token))["requests"]
        return [(request["method"], request["url"]) for request in found]

    def retried(self, token: str) -> tuple[Sent, int]:
        """Count the requests: there is no retry report."""
        found = self.requests(token)
        return found, len(found)

    def wait(self, token: str, count: int) -> Sent:
        """Poll."""
        return polled(self.requests, token, count)

    def reset(self, token: str) -> None:
        """Remove the requests with the token, and the stubs of the test."""
        self._http.control("POST", "/__admin/requests/remove", self._pattern(token))
        while self._stubs:
            self._http.control("DELETE", f"/__admin/mappings/{self._stubs.pop()}")

    @staticmethod
    def _pattern(token: str) -> dict[str, Any]:
        return {"headers": {"Authorization": {"equalTo": f"Bearer {token}"}}}


class HandWritten:
    """The stub of hand_written.py."""

    def __init__(self, port: int) -> None:
        self._http = Http(port)

    def fail_twice(self, token: str) -> None:
        """Set the number of failures."""
        self._http.control("POST", "/__admin/fail", {"token": token, "times": 2})

    def requests(self, token: str) -> Sent:
        """Return the recorded requests."""
        found = self._http.control("GET", f"/__admin/requests?token={token}")
        return [(request["method"], request["url"]) for request in found]

    def retried(self, token: str) -> tuple[Sent, int]:
        """Count the requests: there is no retry report."""
        found = self.requests(token)
        return found, len(found)

    def wait(self, token: str, count: int) -> Sent:
        """Poll."""
        return polled(self.requests, token, count)

    def reset(self, token: str) -> None:
        """Remove requests and failures."""
        self._http.control("POST", "/__admin/reset", {"token": token})


CONTROLS: dict[str, Callable[[int], Control]] = {"ours": Ours, "wiremock": WireMock, "hand_written": HandWritten}


def expect(found: object, expected: object) -> None:
    """Fail a test unless both are equal."""
    if found != expected:
        raise SystemExit(f"a test failed: expected {expected!r}, found {found!r}")


def one_call(server: Control, api: Http, token: str) -> None:
    """Send one list."""
    expect(api.send("GET", LIST, token=token).status, HTTPStatus.OK)
    expect(server.requests(token), [("GET", LIST)])


def retries(server: Control, api: Http, token: str) -> None:
    """Retry a list that fails twice."""
    server.fail_twice(token)
    expect([api.send("GET", LIST, token=token).status for _ in range(3)], [500, 500, 200])
    expect(server.retried(token), ([("GET", LIST)] * 3, 3))


def upload(server: Control, api: Http, token: str) -> None:
    """Upload an audience, get pages of its members, and delete it."""
    created = api.send("POST", LIST, FORM, token, f"multipart/form-data; boundary={BOUNDARY}")
    expect(created.status, HTTPStatus.OK)
    path = f"{LIST}/{created.content['data']['_id']}"
    pages = [f"{path}/members?page={page}&offset={PAGE}" for page in range(1, PAGES + 1)]
    for page in pages:
        received = api.send("GET", page, token=token)
        expect(len(received.content["data"]["members"]), PAGE)
    expect(api.send("DELETE", path, token=token).status, HTTPStatus.OK)
    expect(server.requests(token), [("POST", LIST), *(("GET", page) for page in pages), ("DELETE", path)])


def waiting(server: Control, api: Http, token: str) -> None:
    """Wait for lists that the application sends a little later."""

    def send_later() -> None:
        time.sleep(DELAY_SECONDS)
        for _ in range(WAITED):
            api.send("GET", LIST, token=token)

    application = threading.Thread(target=send_later)
    application.start()
    expect(server.wait(token, WAITED), [("GET", LIST)] * WAITED)
    application.join()


def _form() -> bytes:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="'
    rows = "\n".join(["phoneNumber,name", *(f"+120155501{row:02},Ada Bell {row}" for row in range(ROWS))])
    parts = [f'{head}{name}"\r\n\r\n{text}\r\n' for name, text in FIELDS.items()]
    parts.append(f'{head}file"; filename="members.csv"\r\nContent-Type: text/csv\r\n\r\n{rows}\r\n--{BOUNDARY}--\r\n')
    return "".join(parts).encode()


FIELDS = {"name": "Uploaded", "phoneNumberColumnName": "phoneNumber"}
FORM = _form()
Test = Callable[[Control, Http, str], None]
TESTS: tuple[Test, ...] = (one_call, retries, upload, waiting)
WEIGHTS = (80, 10, 5, 5)
UNIT = 20
"""Smallest number of tests that `WEIGHTS` divide exactly."""


def choose(count: int, seed: int) -> list[Test]:
    """Return tests in random order that follows from the seed, in exact shares. `count` is a multiple of `UNIT`."""
    tests = [test for test, weight in zip(TESTS, WEIGHTS, strict=True) for _ in range(count * weight // 100)]
    random.Random(seed).shuffle(tests)
    return tests


class WorkerArguments(NamedTuple):
    """The arguments of the script.

    Attributes:
        kind: a key of `CONTROLS`.
        port: port of the server.
        tests: number of tests of all workers.
        seed: seed of the order of the tests.
        worker: number of this worker, from 0.
        workers: number of workers.
        run: makes the tokens differ from those of other runs.
    """

    kind: str
    port: int
    tests: int
    seed: int
    worker: int
    workers: int
    run: int

    def as_strings(self) -> list[str]:
        """Return them as strings."""
        return [str(value) for value in self]


def main(arguments: WorkerArguments) -> None:
    """Print `ready`, wait for a line, run the tests of one worker, and print `done`."""
    server, api = CONTROLS[arguments.kind](arguments.port), Http(arguments.port)
    tests = [*enumerate(choose(arguments.tests, arguments.seed))][arguments.worker :: arguments.workers]
    print("ready", flush=True)
    sys.stdin.readline()
    for number, test in tests:
        token = f"sk_suite_{arguments.run}_{number}"
        test(server, api, token)
        server.reset(token)
    print("done")


if __name__ == "__main__":
    main(WorkerArguments(sys.argv[1], *map(int, sys.argv[2:])))
