"""No secret that a client sends can be read anywhere, wherever and however it is written."""

import json
from base64 import b64encode
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mock_atoms import Settings, create_app
from mock_atoms.journal.access_log import AccessLogLine, JsonFormatter, TextFormatter
from mock_atoms.journal.exchange import Exchange
from mock_atoms.mock import MockAtoms
from tests.helpers.asgi import AsgiResponse, call
from tests.helpers.secrets import ENCODINGS, SECRETS, Encoding, find_secret

if TYPE_CHECKING:
    from starlette.types import ASGIApp

VENDOR, ADMIN = "/atoms/v1", "/__admin"
AUDIENCE = f"{VENDOR}/audience"
VIEWS = (
    *("requests", "requests/unmatched", "requests/unmatched/near-misses", "retries", "retries?format=text", "tenants"),
    *("faults", "state", "metrics"),
)
JSON = {"content-type": "application/json"}


class Sent(NamedTuple):
    """A request to send."""

    method: str
    path: str
    headers: Mapping[str, str] = MappingProxyType({})
    query: str = ""
    body: str = ""


def multipart(name: str, columns: str, cell: str, column: str = "phone") -> Sent:
    parts = [
        f'Content-Disposition: form-data; name="{name}"\r\n\r\n{cell}',
        'Content-Disposition: form-data; name="name"\r\n\r\nMine',
        f'Content-Disposition: form-data; name="phoneNumberColumnName"\r\n\r\n{column}',
        f'Content-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n{columns}\n{cell}\n',
    ]
    body = "".join(f"--b\r\n{part}\r\n" for part in parts) + "--b--\r\n"
    return Sent("POST", AUDIENCE, {"content-type": "multipart/form-data; boundary=b"}, body=body)


def admin(method: str, path: str, value: object = None) -> Sent:
    path, _, query = path.partition("?")
    return Sent(method, f"{ADMIN}/{path}", JSON, query, "" if value is None else json.dumps(value))


VENDOR_PLACES: dict[str, Callable[[str], Sent]] = {
    "path": lambda text: Sent("GET", f"{AUDIENCE}/{text}/members"),
    "unknown path": lambda text: Sent("GET", f"{VENDOR}/{text}/{text}"),
    "fault's message": lambda text: Sent("DELETE", f"{AUDIENCE}/{text}", {"prefer": "code=400"}),
    "query": lambda text: Sent("GET", AUDIENCE, query=f"page={text}&{text}=1"),
    "header": lambda text: Sent("GET", AUDIENCE, {"x-other": text, "referer": f"http://a/?k={text}"}),
    "header name": lambda text: Sent("GET", AUDIENCE, {text: "1"}),
    "host and origin": lambda text: Sent("GET", AUDIENCE, {"host": text, "origin": f"http://{text}"}),
    "preflight": lambda text: Sent(
        "OPTIONS",
        AUDIENCE,
        {"origin": "http://localhost", "access-control-request-method": "GET", "access-control-request-headers": text},
    ),
    "cookie": lambda text: Sent("GET", AUDIENCE, {"cookie": f"a={text}; session={text}; {text}=1"}),
    "test id": lambda text: Sent("GET", AUDIENCE, {"x-test-id": f"{'x' * 190}{text}"}),
    "code": lambda text: Sent("GET", AUDIENCE, {"prefer": f"code={text}"}),
    "fault": lambda text: Sent("GET", AUDIENCE, {"prefer": f"fault={text}, delay={text}"}),
    "basic": lambda text: Sent("GET", AUDIENCE, {"proxy-authorization": f"Basic {b64encode(text.encode()).decode()}"}),
    "scheme": lambda text: Sent("GET", AUDIENCE, {"proxy-authorization": f"Other {text}", "x-api-key": text}),
    "form": lambda text: Sent(
        "POST", AUDIENCE, {"content-type": "application/x-www-form-urlencoded"}, body=f"k={text}&{text}=1"
    ),
    "JSON": lambda text: Sent("POST", f"{AUDIENCE}/a/members", JSON, body=f'{{"members": [{{"k": "{text}"}}]}}'),
    "ids": lambda text: Sent("DELETE", f"{AUDIENCE}/a/members", JSON, body=json.dumps({text: [text]})),
    "UTF-16": lambda text: Sent("POST", AUDIENCE, {}, body="\0".join(text)),
    "across the limit": lambda text: Sent("POST", AUDIENCE, {}, body="x" * 65_530 + text),
    "column": lambda text: multipart("a", f"{text},{text}", "1"),
    "cell": lambda text: multipart("a", "phone", text),
    "form name": lambda text: multipart(text, "phone", "x"),
    "column name": lambda text: multipart("a", "x", "1", text),
    "upload's query": lambda text: multipart("a", f"{'x' * 30}{text}", "1")._replace(query=text),
}
CONTROL_PLACES: dict[str, Callable[[str], Sent]] = {
    "rule": lambda text: admin(
        "POST", "faults", {"name": text[:200], "match": {"testId": text}, "respond": {"status": 500, "errors": [text]}}
    ),
    "rule's headers": lambda text: admin(
        "POST", "faults", {"alter": {"values": {"/a": text}, "headers": {"X-Key": text}}}
    ),
    "rule's path": lambda text: admin("POST", "faults", {"fault": "500", "match": {"path": f"/{text}"}}),
    "expression": lambda text: admin("POST", "faults", {"fault": text}),
    "rule id": lambda text: admin("DELETE", f"faults/{text}"),
    "request id": lambda text: admin("GET", f"requests/{text}"),
    "unknown parameter": lambda text: admin("GET", f"requests?{text}=1"),
    "parameter": lambda text: admin("GET", f"requests?limit={text}"),
    "unknown call": lambda text: admin("GET", f"{text}/{text}"),
    "pattern": lambda text: admin(
        "POST",
        "requests/find?nearMisses=3",
        {
            "url": text,
            "headers": {text: {"contains": text}, "Authorization": {"equalTo": f"Bearer {text}"}},
            "cookies": {"session": {"contains": text}},
            "queryParameters": {text: {"equalTo": text}},
            "bodyPatterns": [{"equalToJson": {text: text}}, {"not": {"contains": text}}],
        },
    ),
    "expression of a pattern": lambda text: admin("POST", "requests/find?nearMisses=3", {"urlPattern": text}),
    "JSONPath": lambda text: admin(
        "POST", "requests/find?nearMisses=3", {"bodyPatterns": [{"matchesJsonPath": f"$.{text}"}]}
    ),
    "unknown field": lambda text: admin("POST", "requests/find", {text: text}),
    "unknown operator": lambda text: admin("POST", "requests/find", {"headers": {"a": {text: text}}}),
    "audience of a tenant": lambda text: admin("PUT", f"audiences/{text}/campaigns", {"token": "a", "campaigns": []}),
    "seed of a state": lambda text: admin("PUT", "state", {"version": "1", "seed": text, "locale": text, text: 1}),
}


class Readers:
    """A server, and all that readers can see of it."""

    def __init__(self) -> None:
        self._log: list[str] = []
        self._app: ASGIApp = create_app(mock=MockAtoms(Settings(), log=self._write))

    def _write(self, exchange: Exchange, attempt: int) -> None:
        line = AccessLogLine(exchange, attempt)
        self._log += [TextFormatter().format_line(line), JsonFormatter().format_line(line)]

    def send(self, sent: Sent, token: str = "sk_mock_test") -> AsgiResponse:
        headers = {"authorization": f"Bearer {token}", **sent.headers}
        return call(
            self._app,
            sent.path,
            [(name.encode(), value.encode()) for name, value in headers.items()],
            sent.method,
            raw_path=sent.path.encode(),
            query=sent.query.encode(),
            body=sent.body.encode(),
        )

    def view(self) -> list[str]:
        views = [admin("GET", view) for view in VIEWS] + [admin("POST", "requests/find", {})]
        return [*self._log, *(self.send(view).body.decode() for view in views)]


@pytest.mark.slow
@pytest.mark.parametrize("place", VENDOR_PLACES)
@settings(max_examples=12)
@given(SECRETS, ENCODINGS, st.sampled_from(["", "sk_mock_", "sk_mock_test", "task", "x", "%20"]), st.booleans())
def test_no_reader_sees_a_secret_that_a_client_sent(
    place: str,
    secret: str,
    encodings: list[Encoding],
    glue: str,
    is_own: bool,  # noqa: FBT001 - drawn by Hypothesis
) -> None:
    hidden = f"Zz!{secret[3:]}" if is_own else secret
    readers = Readers()
    response = readers.send(
        VENDOR_PLACES[place](encode(glue + hidden, encodings)), hidden if is_own else "sk_mock_test"
    )
    error = response.body.decode() if response.status >= 400 else ""
    assert [found for text in (error, *readers.view()) for found in find_secret(hidden, text)] == []


@pytest.mark.slow
@pytest.mark.parametrize("place", CONTROL_PLACES)
@settings(max_examples=12)
@given(SECRETS, ENCODINGS, st.sampled_from(["", "sk_mock_", "sk_mock_test", "task", "x", "%20"]))
def test_no_reader_sees_a_secret_that_the_control_api_received(
    place: str, secret: str, encodings: list[Encoding], glue: str
) -> None:
    readers = Readers()
    readers.send(Sent("GET", AUDIENCE))
    response = readers.send(CONTROL_PLACES[place](encode(glue + secret, encodings)))
    readers.send(Sent("GET", AUDIENCE))
    shown = [response.body.decode(), *response.headers.values(), *readers.view()]
    assert [found for text in shown for found in find_secret(secret, text)] == []


@pytest.mark.parametrize(
    ("place", "shown"),
    [
        ("code", "Prefer: `code=sk_ver…#38c9cb` is invalid"),
        ("ids", "memberIds is required"),
        ("column", 'CSV file has two columns named \\"sk_ver…#38c9cb\\"'),
        ("cell", "CSV line 2: Invalid phone number: sk_very…#d5542a Use"),
        ("column name", 'CSV file has no column named \\"sk_ver…#38c9cb\\". It has:'),
        ("unknown path", "Cannot GET /atoms/v1/sk_ver…#38c9cb/sk_ver…#38c9cb"),
        ("fault's message", "campaign with this audience sk_ver…#38c9cb exists"),
    ],
)
def test_an_error_response_shows_a_masked_key_to_its_caller(place: str, shown: str) -> None:
    assert shown in Readers().send(VENDOR_PLACES[place]("sk_verysecret")).body.decode()


def test_the_token_of_any_form_is_masked_in_an_error_response() -> None:
    body = Readers().send(VENDOR_PLACES["cell"]("Zz!verysecret"), "Zz!verysecret").body.decode()
    assert "Invalid phone number: Zz!ver…#" in body


@pytest.mark.alone("a shared store keeps no key, so the rule sends it masked")
def test_a_rule_sends_its_key_and_shows_it_masked() -> None:
    readers = Readers()
    rule = {"respond": {"status": 500, "text": "sk_verysecret", "headers": {"X-Key": "sk_verysecret"}}}
    created = json.loads(readers.send(admin("POST", "faults", rule)).body)
    assert created["respond"]["text"] == created["respond"]["headers"]["X-Key"] == "sk_ver…#38c9cb"
    response = readers.send(Sent("GET", AUDIENCE))
    assert (response.headers["x-key"], response.body) == ("sk_verysecret", b"sk_verysecret")
    (event,) = json.loads(readers.send(admin("GET", "requests")).body)["requests"]
    assert event["response"]["headers"]["x-key"] == "sk_ver…#38c9cb"
    assert not [text for text in readers.view() if "verysecret" in text]


def encode(text: str, encodings: list[Encoding]) -> str:
    for encoding in encodings:
        text = encoding(text)
    return text
