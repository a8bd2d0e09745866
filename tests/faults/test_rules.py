import json
from datetime import UTC, datetime

import pytest

from mock_atoms.core import json_parsing
from mock_atoms.core.json_parsing import MAX_JSON_PIECE_BYTES
from mock_atoms.core.parsing import ConfigError
from mock_atoms.core.slices import run_without_pauses
from mock_atoms.core.tenancy import digest_token
from mock_atoms.faults.effects import Delay, FaultResponse
from mock_atoms.faults.expressions import parse_fault
from mock_atoms.faults.response_patch import MAX_PATCH_DEPTH, PatchError, ResponsePatch
from mock_atoms.faults.rules import check_rule_size, parse_rule

R500 = FaultResponse(status=500)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("{", "not JSON: Expecting property name enclosed in double quotes at line 1, column 2"),
        ("{}", "/: must have delay, respond, connection or alter"),
        ({"respond": {"status": 99}}, "/respond/status: must be at least 200"),
        ({"respond": {"status": 600}}, "/respond/status: must be at most 599"),
        ({"respond": {"status": 500, "erors": []}}, "/respond/erors: unknown key. Did you mean `errors`?"),
        ({"respond": {"status": 500, "errors": [], "body": 1}}, "/respond: use only one of errors, body and text"),
        ({"respond": {"status": 200}}, "/respond: 200 is not an error, so it needs body or text"),
        ({"respond": {"status": 500, "body": 1, "text": ""}}, "/respond: use only one of errors, body and text"),
        ({"respond": {"status": 200, "errors": []}}, "/respond: 200 is not an error, so it needs body or text"),
        ({"respond": {"status": 204, "text": ""}}, "/respond: a 204 has no body"),
        ({"respond": {"status": 500, "text": "\ud800"}}, "/respond: cannot be sent: 'utf-8' codec"),
        ({"respond": {"status": 204, "body": 1}}, "/respond: a 204 has no body"),
        ({"respond": {"status": 500, "headers": {"a b": "c"}}}, "/respond/headers: `a b` is not a header na"),
        ({"respond": {"status": 500, "headers": {"a": "\n"}}}, "/respond/headers/a: `U+000A` is not printable ASCII"),
        ({"respond": {"status": 500, "headers": {"a": ["b", "c\r\nd: e"]}}}, "/respond/headers/a: `cU+000DU+000Ad: e`"),
        ({"respond": {"status": 500, "headers": {"a": "b" * 8193}}}, "/respond/headers/a: must have at most 8192"),
        ({"respond": {"status": 500, "headers": {"a": []}}}, "/respond/headers/a: must be text, or a list of 1 to"),
        ({"respond": {"status": 500, "headers": {"a": ["b"] * 101}}}, "/respond/headers/a: must be text, or a list of"),
        ({"respond": {"status": 500, "headers": {"a": 1}}}, "/respond/headers/a: must be text, or a list of 1 to"),
        ({"alter": {"headers": {"a": ["b", 1]}}}, "/alter/headers/a: must be text, or a list of 1 to 100 texts"),
        ({"alter": {"headers": {"a": "b", "A": "c"}}}, "/alter/headers: a header is duplicated: use a list of its"),
        (
            {"respond": {"status": 500, "headers": {"Content-Length": "1"}}},
            "/respond/headers: Content-Length is set by",
        ),
        (
            {"respond": {"status": 500, "headers": {"X-Mock-Atoms-Fault": "x"}}},
            "/respond/headers: X-Mock-Atoms-Fault is",
        ),
        ({"respond": {"status": 500, "body": float("nan")}}, "/respond: cannot be sent: Out of range float"),
        ({"respond": {"status": 500, "errors": ["\ud800"]}}, "/respond: cannot be sent: 'utf-8' codec"),
        ('{"respond": {"status": 500, "body": NaN}}', "not JSON: Out of range float"),
        ('{"respond": {"status": ' + "9" * 5000 + "}}", "not JSON: Exceeds the limit"),
        ('{"a":' * 20_000, "not JSON: "),
        ({"match": []}, "/match: must be an object"),
        ({"delay": 250}, '/delay: must be an object such as {"ms": 250}, not `250`'),
        ({"connection": "rest"}, "/connection: `rest` is not a connection fault: use reset, close, stale, hang"),
        ({"connection": "drip9999999"}, "/connection: drip9999999 takes too long: at most 3600000 ms"),
        ({"connection": 7}, "/connection: must be text such as reset or hang30000"),
        ({"connection": {"kind": "drip"}}, "/connection: must be text such as reset or hang30000"),
        ({"connection": "reset", "respond": {"status": 500}}, "/: use only one of respond, connection and alter"),
        (
            {"respond": {"status": 500}, "alter": {"headers": {"a": "b"}}},
            "/: use only one of respond, connection and alter",
        ),
        (
            {"alter": {"values": {f"/{number}": 0 for number in range(1001)}}},
            "/alter/values: must have at most 1000 items",
        ),
        ({"alter": {}}, "/alter: must have values or headers"),
        (
            {"alter": {"values": {"data": 1}}},
            "/alter/values/data/[key]: `data` is not a JSON pointer such as",
        ),
        ({"alter": {"values": {"/a": float("inf")}}}, "/alter: cannot be sent: Out of range"),
        ({"fault": "5oo"}, "/fault: `5oo` is not a fault. "),
        ({"fault": "500+" * 2_501}, "/fault: the expression is too long: at most 10,000 characters"),
        ("GET / " * 1_667, "the expression is too long: at most 10,000 characters"),
        ({str(number): 0 for number in range(5_000)}, "/: too large: at most 5,000 values"),
        ({"respond": {"status": 500, "body": {"a": [0] * 4_997}}}, "/: too large: at most 5,000 values"),
        ({"fault": "500", "match": {"path": "/" * 100_000}}, "/: too large: at most 100,000 characters"),
        ({"alter": {"values": {"/a" * 50_000: 0}}}, "/: too large: at most 100,000 characters"),
        ({"alter": {"values": "a" * 100_000}}, "/: too large: at most 100,000 characters"),
        (
            json.dumps({"respond": {"status": 500, "text": "a" * 100_000}}),
            "/: a rule in a text has at most 100,000 characters",
        ),
        ({"fault": 500}, '/fault: must be text such as "500", not `500`'),
        ({"faul": "500"}, "/faul: unknown key. Did you mean `fault`?"),
        (
            {"effect": {}},
            "/effect: unknown key: the keys are fault, name, match, when, delay, respond, alter, connection",
        ),
        ({"fault": "500", "color": 1}, "/color: unknown key: the keys are fault, name, match"),
        ({"fault": ""}, "/fault: an empty text is not a fault. "),
        (
            {"fault": "500", "when": {"times": 1}, "delay": {"ms": 1}},
            "/fault: fault is a complete expression: omit delay, when",
        ),
        ({"fault": "500", "match": {"pathh": 1}}, "/match/pathh: unknown key. Did you mean `path`?"),
        (
            {"fault": "500", "match": {"method": "Gett"}},
            "/match/method: a rule cannot have the method `Gett`: use one of GET, HEAD, POST, PUT, PATCH, DELETE, ",
        ),
        (
            {"fault": "500", "match": {"path": "/audience?page=1"}},
            "/match/path: a rule matches any query: leave out the query, and write /audience",
        ),
        ({"fault": "500", "match": {"method": "G3T"}}, "/match/method: a method has letters only, such as GET"),
        (
            {"fault": "500", "match": {"path": "/audience/{a}{b}"}},
            "/match/path: {a}{b} has no text between its parameters: write one such as {a}-{b}",
        ),
        ({"fault": "500", "match": {"token": "two words"}}, "/match/token: a token is one word of visible ASCII"),
        ({"fault": "500", "match": {"token": "sk…#123456"}}, "/match: a masked token needs its tokenDigest"),
        (
            {"fault": "500", "match": {"token": "sk_a", "tokenDigest": "0" * 32}},
            "/match: tokenDigest is not the digest",
        ),
        (
            {"fault": "500", "match": {"token": "sk_mock_one", "tokenDigest": "0" * 32}},
            "/match: tokenDigest is not the digest",
        ),
        ({"fault": "500", "match": {"testId": " "}}, "/match/testId: an id must not be blank"),
        ('{"name": "\\ud800", "fault": "500"}', "not JSON: half of a surrogate pair"),
        ({"delay": {}}, "/delay: must have ms, or minMs and maxMs, or medianMs and sigma"),
        ({"delay": {"ms": 1, "sigma": 1}}, "/delay: must have ms, or minMs and maxMs, or medianMs and sigma"),
        ({"delay": {"ms": None}}, "/delay: must have numbers, not null"),
        ({"delay": {"minMs": 2, "maxMs": 1}}, "/delay: minMs is greater than maxMs"),
        ({"delay": {"ms": 1e9}}, "/delay/ms: must be at most 3600000"),
        ({"delay": {"ms": 3_600_001}}, "/delay/ms: must be at most 3600000"),
        ({"delay": {"ms": -1}}, "/delay/ms: must be at least 0"),
        ({"delay": {"minMs": -1, "maxMs": 1}}, "/delay/minMs: must be at least 0"),
        ({"delay": {"minMs": -2, "maxMs": -1}}, "/delay/minMs: must be at least 0"),
        ({"delay": {"medianMs": -1, "sigma": 1}}, "/delay/medianMs: must be at least 0"),
        ({"delay": {"medianMs": 1, "sigma": -1}}, "/delay/sigma: must be at least 0"),
        ({"delay": {"medianMs": 1, "sigma": 11}}, "/delay/sigma: must be at most 10"),
        ({"delay": {"ms": 1}, "when": {"after": -1}}, "/when/after: must be at least 0"),
        ({"delay": {"ms": 1}, "when": {"times": -1}}, "/when/times: must be at least 0"),
        ({"delay": {"ms": 1}, "when": {"probability": -0.1}}, "/when/probability: must be at least 0"),
        ({"delay": {"ms": 1}, "when": {"limit": {"requests": -1}}}, "/when/limit/requests: must be at least 0"),
        ({"delay": {"ms": 1}, "when": {"limit": {"requests": 1_000_001}}}, "/when/limit/requests: must be at most"),
        ({"delay": {"ms": 1}, "when": {"limit": {"requests": 1, "seconds": 0}}}, "/when/limit/seconds: must be at l"),
        (
            {"delay": {"ms": 1}, "when": {"limit": {"requests": 1, "seconds": 86_401}}},
            "/when/limit/seconds: must be at most 86400",
        ),
        ({"fault": "500", "name": "x" * 201}, "/name: "),
        ({"fault": "500", "name": "sk_a " * 40}, "/name: must have at most 200 characters, when its keys are masked"),
        ({"respond": {"status": 199}}, "/respond/status: must be at least 200"),
        (
            {"respond": {"status": 500, "headers": {"a": "x" * 8_193}}},
            "/respond/headers/a: must have at most 8192 characters",
        ),
        (
            {"respond": {"status": 500, "headers": {"ab": "x" * 8_192, "c": ["y" * 8_187, "zz"]}}},
            "/respond/headers: too large: 16,385 characters; the maximum is 16,384",
        ),
        ({"delay": {"ms": 1}, "when": {"every": 0}}, "/when/every: must be at least"),
        ({"delay": {"ms": 1}, "when": {"probability": 2}}, "/when/probability: must be at most 1"),
    ],
)
def test_invalid_fault_is_rejected_with_its_pointer(value: str | dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_fault(value)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def patched(patch: ResponsePatch, body: bytes) -> bytes:
    return run_without_pauses(patch.apply_steps(body))


def test_what_a_rule_sends_may_be_long() -> None:
    text = "a" * 249_999
    for rule in ({"respond": {"status": 500, "body": {text: text}}}, {"alter": {"values": {"/a": {text: text}}}}):
        assert parse_fault(rule).as_json() == rule


@pytest.mark.parametrize(
    ("rule", "pointer"),
    [
        ({"respond": {"status": 500, "text": "a" * 500_001}}, "/respond/text"),
        ({"respond": {"status": 500, "errors": ["a" * 250_000, "b" * 250_001]}}, "/respond/errors"),
        ({"respond": {"status": 500, "body": [{"a": "b" * 500_000}]}}, "/respond/body"),
        ({"alter": {"values": {"/": "b" * 500_000}}}, "/alter/values"),
    ],
)
def test_what_a_rule_sends_is_limited(rule: dict[str, object], pointer: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_fault(rule)
    assert str(caught.value) == f"{pointer}: too large: 500,001 characters; the maximum is 500,000"


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"respond": {"status": 500, "text": "sk_a," * 100_000}}, "/respond/text: too large: 1,100,000 characters;"),
        (
            {"match": {"token": "sk_acme"}, "alter": {"values": {f"/{'a' * 99_960}": 1}}},
            "/: too large: at most 100,000 characters",
        ),
        ({"respond": {"status": 500, "headers": {"a": "sk_a," * 1_600}}}, "/respond/headers/a: must have at most 8192"),
    ],
)
def test_a_rule_keeps_its_limits_with_masked_keys(rule: dict[str, object], message: str) -> None:
    fault = parse_fault(rule)
    with pytest.raises(ConfigError) as caught:
        run_without_pauses(fault.measure())
    assert str(caught.value).startswith(message)
    assert str(caught.value).endswith(", when its keys are masked")


def test_a_long_rule_is_masked_in_steps() -> None:
    steps = [
        len([*parse_fault({"respond": {"status": 500, "text": "sk_abcdefghijklmnop " * n}}).measure()])
        for n in (5_000, 10_000)
    ]
    assert steps[1] >= 1.9 * steps[0] > 50


def test_a_measured_rule_has_the_same_json() -> None:
    value = {"respond": {"status": 500, "body": {"sk_secret_key": ["sk_secret_key", 1]}}}
    measured = parse_fault(value)
    assert run_without_pauses(measured.measure()) == parse_fault(value).size_bytes
    assert measured.as_json() == parse_fault(value).as_json()


@pytest.mark.parametrize(
    "value",
    [
        {"delay": {"ms": 0}},
        {"delay": {"ms": 3_600_000}},
        {"respond": {"status": 500, "headers": {"ab": "x" * 8_192, "c": ["y" * 8_187, "z"]}}},
        {"delay": {"minMs": 5, "maxMs": 5}},
        {"delay": {"medianMs": 1, "sigma": 10}},
        {"delay": {"ms": 1}, "when": {"after": 0, "times": 0, "every": 1, "probability": 0}},
        {"delay": {"ms": 1}, "when": {"probability": 1}},
        {"respond": {"status": 429}, "when": {"limit": {"requests": 0, "seconds": 1}}},
        {"respond": {"status": 429}, "when": {"limit": {"requests": 1_000_000, "seconds": 86_400}}},
        {"respond": {"status": 200, "text": ""}},
        {"respond": {"status": 599}},
        {"respond": {"status": 500, "headers": {"a": "x" * 8_192}}},
        {"connection": "hang3600000"},
        {"connection": "drip3600000"},
        {"fault": "500", "name": "x" * 200},
    ],
)
def test_limits_of_a_fault_are_inclusive(value: dict[str, object]) -> None:
    assert parse_fault(value).as_json()


@pytest.mark.parametrize(
    ("respond", "is_malformed"),
    [
        (FaultResponse(status=200, text="{"), True),
        (FaultResponse(status=299, text="{"), True),
        (FaultResponse(status=300, text="{"), False),
        (FaultResponse(status=500, text="{"), False),
        (FaultResponse(status=200, body={}), False),
        (FaultResponse(status=204), False),
    ],
)
def test_only_the_text_of_a_success_may_be_malformed(respond: FaultResponse, is_malformed: bool) -> None:  # noqa: FBT001 - a table
    assert respond.has_malformed_body is is_malformed


def test_error_does_not_repeat_an_invalid_token() -> None:
    with pytest.raises(ConfigError, match=r"^/match/token: a token is one word of visible ASCII") as caught:
        parse_fault({"match": {"token": "sk_verysecret token"}, "delay": {"ms": 1}})
    assert "verysecret" not in str(caught.value)


@pytest.mark.parametrize(
    ("delay", "lowest", "middle", "highest"),
    [
        (Delay(ms=250), 250, 250, 250),
        (Delay(minMs=100, maxMs=200), 100, 150, 200),
        (Delay(medianMs=100, sigma=0), 100, 100, 100),
        (Delay(medianMs=100, sigma=0.5), 0, 100, 10_000),
        (Delay(medianMs=3_000_000, sigma=10), 0, 3_000_000, 3_600_000),
    ],
)
def test_delay_has_its_distribution(delay: Delay, lowest: float, middle: float, highest: float) -> None:
    assert delay.milliseconds(0.5) == pytest.approx(middle)
    assert lowest <= delay.milliseconds(0.0) <= middle <= delay.milliseconds(1 - 2**-53) <= highest


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (500, {}, {"status": False, "errors": ["Internal server error"]}),
        (401, {"www-authenticate": "Bearer"}, {"status": False, "errors": ["Unauthorized: User not found"]}),
        (
            429,
            {"retry-after": "60"},
            {"status": False, "error": "Rate limit exceeded", "code": "RATE_LIMIT_EXCEEDED", "retry_after": 60},
        ),
        (400, {}, {"status": False, "errors": ["Invalid input"]}),
        (404, {}, {"status": False, "errors": ["Audience not found"]}),
        (503, {}, {"status": False, "errors": ["Service Unavailable"]}),
        (599, {}, {"status": False, "errors": ["Error 599"]}),
    ],
)
def test_status_has_its_documented_response(status: int, headers: dict[str, str], body: object) -> None:
    sent, content = FaultResponse(status=status).render()
    assert dict(sent) == {"content-type": "application/json; charset=utf-8"} | headers
    assert json.loads(content) == body


@pytest.mark.parametrize(
    ("respond", "headers", "body"),
    [
        (FaultResponse(status=500, errors=["a", "é"]), {}, '{"status":false,"errors":["a","é"]}'),
        (FaultResponse(status=200, body={"data": 1}), {}, '{"data":1}'),
        (FaultResponse(status=500, body="text"), {}, '"text"'),
        (FaultResponse(status=200, text=""), {}, ""),
        (FaultResponse(status=200, text='{"status": tru'), {}, '{"status": tru'),
        (
            FaultResponse(status=502, text="<html>é</html>", headers={"Content-Type": "text/html"}),
            {"content-type": "text/html"},
            "<html>é</html>",
        ),
        (
            FaultResponse(status=429, errors=["slow down"]),
            {"retry-after": "60"},
            '{"status":false,"errors":["slow down"]}',
        ),
        (
            FaultResponse(status=429, headers={"Retry-After": "1"}),
            {"retry-after": "1"},
            '{"status":false,"error":"Rate limit exceeded","code":"RATE_LIMIT_EXCEEDED","retry_after":1}',
        ),
        (
            FaultResponse(status=429, headers={"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}),
            {"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"},
            '{"status":false,"error":"Rate limit exceeded","code":"RATE_LIMIT_EXCEEDED","retry_after":60}',
        ),
        (FaultResponse(status=500, body=1, headers={"Content-Type": "text/html"}), {"content-type": "text/html"}, "1"),
    ],
)
def test_rule_can_define_the_response(respond: FaultResponse, headers: dict[str, str], body: str) -> None:
    sent, content = respond.render()
    assert dict(sent) == {"content-type": "application/json; charset=utf-8"} | headers
    assert content.decode() == body


def test_headers_may_have_several_values() -> None:
    rule = parse_rule({"respond": {"status": 429, "headers": {"Set-Cookie": ["a=1", "b=2"], "Retry-After": ["7"]}}})
    assert rule.respond is not None
    headers, body = rule.respond.render()
    assert headers == [
        ("content-type", "application/json; charset=utf-8"),
        ("retry-after", "7"),
        ("set-cookie", "a=1"),
        ("set-cookie", "b=2"),
    ]
    assert json.loads(body)["retry_after"] == 7
    assert parse_rule(rule.as_json()) == rule


@pytest.mark.parametrize(
    ("value", "in_body"),
    [
        ("1", 1),
        (" 60\t", 60),
        ("1.5", 2),
        ("0", 0),
        ("soon", 60),
        ("-1", 60),
        ("9" * 5_000, 60),
        ("Thu, 01 Jan 2026 12:00:03 GMT", 3),
        ("Thu, 01 Jan 2026 11:00:00 GMT", 0),
    ],
)
def test_body_of_a_429_repeats_retry_after_in_full_seconds(value: str, in_body: int) -> None:
    respond = FaultResponse(status=429, headers={"Retry-After": value})
    headers, body = respond.render(now=datetime(2026, 1, 1, 12, tzinfo=UTC))
    assert dict(headers)["retry-after"] == value
    assert json.loads(body)["retry_after"] == in_body


def test_204_has_neither_body_nor_content_type() -> None:
    assert FaultResponse(status=204).render() == ([], b"")


@pytest.mark.parametrize(
    ("values", "before", "after"),
    [
        ({"/data/0/n": "x"}, {"data": [{"n": 1}, {"n": 2}]}, {"data": [{"n": "x"}, {"n": 2}]}),
        ({"/data/*/n": None}, {"data": [{"n": 1}, {}]}, {"data": [{"n": None}, {"n": None}]}),
        ({"/data/*": 0}, {"data": [1, 2]}, {"data": [0, 0]}),
        ({"/*": 0}, {"data": [1, 2], "status": True}, {"data": 0, "status": 0}),
        ({"/*/x": 0}, {"data": {"x": 1}, "status": True}, {"data": {"x": 0}, "status": True}),
        ({"/new": {"a": 1}, "/new/b": 2}, {}, {"new": {"a": 1, "b": 2}}),
        ({"/a~1b/~0": 1}, {"a/b": {}}, {"a/b": {"~": 1}}),
        ({"/data/5/n": 1, "/data/x": 1, "/no/n": 1, "/status/n": 1}, {"data": [], "status": True}, None),
        ({"/a/b/c": 1, "/a/b/c/d": 1}, {"a": {"b": "text"}}, None),
    ],
)
def test_patch_sets_values_by_pointer(values: dict[str, object], before: object, after: object) -> None:
    body = patched(ResponsePatch(values=values), json.dumps(before).encode())
    assert json.loads(body) == (before if after is None else after)


def test_a_patch_is_applied_in_steps() -> None:
    before = json.dumps({"data": [{"name": "a", "tags": []} for _ in range(100)]}).encode()
    for pointer in ("/data/*/name", "/data/*/name/*", "/data/0/*"):
        steps = ResponsePatch(values={pointer: 1}).apply_steps(before)
        assert sum(1 for _ in steps) >= (100 if "/*/" in pointer else 3)


@pytest.mark.parametrize("body", [b"", b"text", b'{"a": NaN}', b"[" * 100_000, b'{"a": "\\ud800"}', b'{"a": 1e999}'])
def test_a_patch_leaves_a_body_that_is_no_json_as_it_is(body: bytes) -> None:
    assert patched(ResponsePatch(values={"/a": 1}), body) == body


def test_a_patch_of_headers_alone_leaves_the_body_as_it_is() -> None:
    assert patched(ResponsePatch(headers={"X-A": "b"}), b'{ "a": 1 }') == b'{ "a": 1 }'


def test_a_patch_refuses_a_body_whose_values_need_too_much_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_parsing, "MAX_VALUES_BYTES", 100_000)
    patch = ResponsePatch(values={"/0": 1})
    assert patched(patch, f"[{'0,' * 1_500}0]".encode()).startswith(b"[1,0,0")
    message = r"^`alter` cannot change so large a response \(too many values, .*\): use a smaller response$"
    with pytest.raises(PatchError, match=message):
        patched(patch, f"[{'0,' * 100_000}0]".encode())
    with pytest.raises(PatchError, match=r"so large a response \(more than \d+ bytes without a comma"):
        patched(patch, b'["%b"]' % (b"x" * MAX_JSON_PIECE_BYTES * 2))


def test_a_patched_response_is_rendered_in_steps() -> None:
    before = json.dumps({"data": {"members": [{"name": "a"}] * 5_000}}).encode()
    steps = ResponsePatch(values={"/data/page": 1}).apply_steps(before)
    assert sum(1 for _ in steps) > 5_000
    body = patched(ResponsePatch(values={"/data/page": 1}), before)
    assert json.loads(body) == {"data": {"members": [{"name": "a"}] * 5_000, "page": 1}}


def test_a_patch_does_not_change_its_own_values() -> None:
    patch = ResponsePatch(values={"/data": {"items": [1]}, "/data/items/0": 2})
    assert [json.loads(patched(patch, b"{}")) for _ in range(2)] == [{"data": {"items": [2]}}] * 2
    assert patch.values["/data"] == {"items": [1]}


def test_nested_wildcards_are_limited() -> None:
    """Each level doubles the number of places that the next one writes to."""
    values: dict[str, object] = {f"/x{'/*' * level}": {"a": 0, "b": 0} for level in range(30)}
    with pytest.raises(PatchError, match="`alter` visits more than 20000 values: use fewer wildcards"):
        patched(ResponsePatch(values=values), b"{}")
    assert len(patched(ResponsePatch(values=dict([*values.items()][:10])), b"{}")) < 20_000


def test_size_of_written_values_is_limited() -> None:
    patch = ResponsePatch(values={"/data/*": "x" * 100_000})
    assert len(patched(patch, json.dumps({"data": [0] * 10}).encode())) > 1_000_000
    with pytest.raises(PatchError, match="`alter` writes more than 1048576 bytes: use fewer wildcards"):
        patched(patch, json.dumps({"data": [0] * 11}).encode())


def test_depth_of_written_values_is_limited() -> None:
    deep: dict[str, object] = {"a": 0}
    for _ in range(90):
        deep = {"a": deep}
    values: dict[str, object] = {"/a" * (1 + 91 * level): deep for level in range(20)}
    with pytest.raises(PatchError, match="`alter` nests values too deep: use shorter pointers"):
        patched(ResponsePatch(values=values), b"{}")
    assert patched(ResponsePatch(values={"/a" * (1 + MAX_PATCH_DEPTH): 1}), b"{}") == b"{}"


def test_patch_ignores_bodies_that_are_not_json() -> None:
    assert patched(ResponsePatch(values={"/a": 1}), b"<html>") == b"<html>"


def test_rule_has_magic_keys_unmasked_and_can_be_parsed_again() -> None:
    rule = parse_fault({"fault": "500", "match": {"token": "sk_mock_one.me"}})
    exported = rule.as_json()
    assert exported["match"] == {"token": "sk_mock_one.me", "tokenDigest": digest_token("sk_mock_one.me").hex()}
    assert parse_fault(exported) == rule


def test_rule_has_tokens_masked_and_can_be_parsed_again() -> None:
    rule = parse_fault({"fault": "delay250+hang30000x2", "match": {"token": "sk_verysecret", "testId": "t-1"}})
    exported = rule.as_json()
    assert exported == {
        "match": {"token": "sk_ver…#38c9cb", "tokenDigest": digest_token("sk_verysecret").hex(), "testId": "t-1"},
        "when": {"times": 2},
        "delay": {"ms": 250},
        "connection": "hang30000",
    }
    assert "verysecret" not in repr(rule)
    assert parse_fault(exported) == rule


def test_an_index_is_found_without_a_search() -> None:
    body = json.dumps({"data": [0] * 2_000}).encode()
    content = patched(ResponsePatch(values={"/data/1999": 1, "/data/2000": 2, "/data/01": 3, "/data/-1": 4}), body)
    assert json.loads(content) == {"data": [0] * 1_999 + [1]}


def test_the_depth_of_a_rule_is_limited() -> None:
    rule: object = "end"
    for _ in range(100):
        rule = [rule]
    check_rule_size(rule)
    with pytest.raises(ConfigError, match="nested too deeply: at most 101 levels"):
        check_rule_size([rule])


def test_a_long_text_is_no_rule() -> None:
    with pytest.raises(ConfigError, match="too large: at most 100,000 characters"):
        check_rule_size(["x" * 100_001])
