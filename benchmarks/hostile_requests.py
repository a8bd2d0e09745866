"""Requests of the soak: malformed ones, and hostile ones that cost the server as much as a client can."""

import functools
import gzip
import json
import random
import zlib
from collections.abc import Callable
from typing import NamedTuple

AUDIENCE = "/atoms/v1/audience"
MEMBERS = f"{AUDIENCE}/60d0fe4f5311236168a109ca/members"
FIND = "/__admin/requests/find"
TLS_HELLO = bytes.fromhex("16030100c8010000c40303") + bytes(80)
PIPELINED = 500
_UNREAD = 2000
_RULES = 5
_LEVELS = 90


class Bytes(NamedTuple):
    """What a hostile client sends on one connection.

    Attributes:
        data: the bytes.
        responses: number of responses that are read.
        is_abandoned: whether the client leaves before the response.
        is_held: whether the client neither sends nor reads more, and never closes the connection.
    """

    data: bytes
    responses: int = 1
    is_abandoned: bool = False
    is_held: bool = False


Chance = random.Random
Build = Callable[[Chance], Bytes]


def head(method: str, path: str, body: bytes = b"", token: str | None = "sk_soak", **headers: str) -> bytes:
    """Return a request; underscores in the names of `headers` become hyphens."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost"]
    if token is not None:
        lines.append(f"Authorization: Bearer {token}")
    if body:
        lines.append(f"Content-Length: {len(body)}")
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def _json(method: str, path: str, body: bytes | object, token: str | None = None, **headers: str) -> bytes:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return head(method, path, content, token, Content_Type="application/json", **headers)


def _post(body: bytes, **headers: str) -> bytes:
    """Return a request that adds members."""
    return _json("POST", MEMBERS, body, "sk_soak", **headers)


@functools.cache
def _numbers() -> list[str]:
    """Return 10,000 phone numbers that are reserved for fiction."""
    return [f"+1{area}55501{line:02}" for area in range(200, 300) for line in range(100)]


@functools.cache
def _upload() -> bytes:
    part = '--B\r\nContent-Disposition: form-data; name="{}"{}\r\n\r\n{}\r\n'
    text = part.format("name", "", "x") + part.format("phoneNumberColumnName", "", "phone")
    return (text + part.format("file", '; filename="a.csv"', "\n".join(["phone", *_numbers()])) + "--B--\r\n").encode()


@functools.cache
def _many_members() -> bytes:
    members = [{"firstName": "é" * 50, "contact_number": phone} for phone in _numbers()[:9000]]
    return json.dumps({"members": members}).encode()


@functools.cache
def _bomb(window: int) -> bytes:
    """Return 50 MB of blanks in gzip (`window` 31) or deflate (15)."""
    compress = zlib.compressobj(1, zlib.DEFLATED, window)
    return compress.compress(b" " * 50_000_000) + compress.flush()


def _rule(chance: Chance) -> bytes:
    number = chance.getrandbits(40)
    levels = {"/data" + "/*" * depth: {"a": 0} for depth in range(1, 8)}
    return _json("POST", "/__admin/faults", {"match": {"token": f"sk_{number}"}, "alter": {"values": levels}})


def _find(pattern: object) -> bytes:
    return _json("POST", FIND, pattern)


def _uploading(chance: Chance) -> bytes:
    return head(
        "POST", AUDIENCE, _upload(), f"sk_up_{chance.randrange(40)}", Content_Type="multipart/form-data; boundary=B"
    )


def _searching(chance: Chance) -> bytes:
    return head("GET", f"{MEMBERS}/search?firstName=zz&x={chance.getrandbits(40)}", token="sk_documented")


_SLOW_REGEX = {"bodyPatterns": [{"matches": "(x+x+)+y"}, {"doesNotMatch": "(.*a){12}"}]}
_SLOW_PATH = {"bodyPatterns": [{"matchesJsonPath": "$..*..*"}]}
_COMPARED = {"bodyPatterns": [{"equalToJson": [*range(2000)], "ignoreArrayOrder": True, "ignoreExtraElements": True}]}
_UNLIKE = {"url": "/nothing", "headers": {f"X-{index}": {"contains": "z"} for index in range(50)}}
_NESTED: object = json.loads('{"not":' * _LEVELS + '{"contains":"x"}' + "}" * _LEVELS)
_LONG_CALLS: tuple[Callable[[Chance], bytes], ...] = (
    lambda _: head("GET", "/__admin/requests", token=None),
    lambda _: head("GET", "/__admin/retries", token=None),
    lambda _: head("GET", "/__admin/state", token=None),
    lambda _: head("GET", "/__admin/requests/unmatched/near-misses", token=None),
    lambda _: _find(_SLOW_REGEX),
    lambda _: _find(_SLOW_PATH),
    lambda _: _json("POST", "/__admin/near-misses/request-pattern", _UNLIKE),
    _uploading,
    _searching,
)

MALFORMED: dict[str, Callable[[Chance], bytes]] = {
    "TLS hello": lambda _: TLS_HELLO,
    "random bytes": lambda chance: chance.randbytes(100) + b"\r\n\r\n",
    "absolute form": lambda _: b"GET http://evil.test HTTP/1.1\r\nHost: x\r\n\r\n",
    "raw bytes in the query": lambda _: b"GET /atoms/v1/audience?q=Jos\xc3\xa9 HTTP/1.1\r\nHost: x\r\n\r\n",
    "HTTP/9.9": lambda _: b"GET / HTTP/9.9\r\n\r\n",
    "garbage behind a request": lambda _: head("GET", AUDIENCE) + b"\x00\x01\r\n\r\n",
    "Content-Length": lambda _: head("GET", AUDIENCE, Content_Length="1, 2"),
    "chunk size": lambda _: head("POST", MEMBERS, Transfer_Encoding="chunked") + b"zz\r\n",
    "escapes in deep JSON": lambda _: _post(b"[" * 101 + b'"' + b'\\"' * 20_000),
    "deep JSON": lambda _: _post(b"[" * 1000 + b"]" * 1000),
    "infinite number": lambda _: _post(b'{"members":[{"phoneNumber":1e999}]}'),
    "many digits": lambda _: _post(b'{"members":[' + b"9" * 100_000 + b"]}"),
    "no gzip": lambda chance: _post(chance.randbytes(500), Content_Encoding="gzip"),
    "cut gzip": lambda _: _post(gzip.compress(b'{"members":[]}' * 100)[:-9], Content_Encoding="gzip"),
    "cut form": lambda _: head(
        "POST",
        AUDIENCE,
        b"--B\r\nContent-Disposition: form-data; name=x\r\n\r\nno end",
        Content_Type="multipart/form-data; boundary=B",
    ),
    "many cookies": lambda _: head("GET", AUDIENCE, token=None, Cookie="; ".join(["session=1"] * 2000)),
    "Prefer": lambda _: head("GET", AUDIENCE, Prefer="code=sk_live_nothing, code=999"),
    "Accept": lambda _: head("GET", "/__admin/metrics", Accept="application/openmetrics-text;version=x"),
    "encoded path": lambda _: head("GET", AUDIENCE + "/%ff%00%2e%2e", X_Forwarded_Prefix="//evil"),
    "unknown route": lambda _: head("PATCH", "/unmocked", b"?", token=None),
    "port of Host": lambda _: b"GET /atoms/v1/audience HTTP/1.1\r\nHost: x:" + b"9" * 5000 + b"\r\n\r\n",
}
"""Requests that are not HTTP, or not what the API takes, by kind."""

CHEAP: dict[str, Build] = {
    "huge query": lambda chance: Bytes(
        head("GET", f"{AUDIENCE}?{chance.getrandbits(40)}=" + "y" * 60_000, token="sk_mock_one.soak")
    ),
    "huge header": lambda _: Bytes(head("GET", AUDIENCE, X_A="\N{GRINNING FACE}" + "a" * 60_000)),
    "head of 100 KB": lambda _: Bytes(head("GET", AUDIENCE, X_A="a" * 100_000)),
    "huge magic key": lambda chance: Bytes(
        head("GET", AUDIENCE, token=f"sk_mock_{chance.getrandbits(40)}" + "a" * 50_000)
    ),
    "3,000 cookies": lambda chance: Bytes(
        head("GET", AUDIENCE, Cookie="; ".join(f"session={chance.getrandbits(40)}" for _ in range(3000)))
    ),
    "failing POST of 60 KB": lambda chance: Bytes(
        head("POST", MEMBERS, chance.randbytes(30_000).hex().encode(), f"sk_mock_500.{chance.randrange(10)}")
    ),
    "compressed body": lambda chance: Bytes(
        _post(gzip.compress(b'{"members":[%d]}' % chance.getrandbits(40), 1), Content_Encoding="gzip")
    ),
    "refused regex": lambda chance: Bytes(
        _find({"urlPattern": chance.choice([r"(a*)*\1", "(?=a)*b", "((a{99}){99}){99}", "(" * 900, r"\p{L}" * 150])})
    ),
    "refused template": lambda _: Bytes(_find({"urlPathTemplate": "/{a}{b}{c}" * 50})),
    "deep pattern": lambda _: Bytes(_find({"bodyPatterns": [_NESTED]})),
    "rules": lambda chance: Bytes(b"".join(_rule(chance) for _ in range(_RULES)), _RULES),
    "pipeline with garbage": lambda _: Bytes(head("GET", AUDIENCE) * 5 + b"\x00\r\n\r\n", 6),
    "no head": lambda _: Bytes(b"", is_held=True),
    "half head": lambda _: Bytes(head("GET", AUDIENCE)[:60], is_held=True),
    "half body": lambda _: Bytes(head("POST", MEMBERS, b"x" * 50_000)[:-10_000], is_held=True),
    "half TLS hello": lambda _: Bytes(TLS_HELLO[:5], is_held=True),
}
"""Hostile requests that cost the server and the client a few milliseconds at most, by kind."""

COSTLY: dict[str, Build] = {
    "abandoned long call": lambda chance: Bytes(chance.choice(_LONG_CALLS)(chance), is_abandoned=True),
    "gzip bomb": lambda _: Bytes(_post(_bomb(31), Content_Encoding="gzip")),
    "deflate bomb": lambda _: Bytes(_post(_bomb(15), Content_Encoding="deflate")),
    "unread pipeline": lambda _: Bytes(head("GET", AUDIENCE) * _UNREAD, is_held=True),
    "pipeline of 500": lambda _: Bytes(head("GET", MEMBERS) * PIPELINED, PIPELINED),
    "persona": lambda chance: Bytes(head("GET", AUDIENCE, token=f"sk_mock_many.{chance.randrange(20)}")),
    "CSV file of 10,000 rows": lambda chance: Bytes(_uploading(chance)),
    "9,000 members": lambda _: Bytes(_json("POST", MEMBERS, _many_members(), "sk_documented")),
    "search": lambda chance: Bytes(_searching(chance)),
    "list": lambda _: Bytes(head("GET", "/__admin/requests", token=None)),
    "slow regex": lambda _: Bytes(_find(_SLOW_REGEX)),
    "slow JSONPath": lambda _: Bytes(_find(_SLOW_PATH)),
    "compared arrays": lambda _: Bytes(_find(_COMPARED)),
    "near misses": lambda _: Bytes(_json("POST", "/__admin/near-misses/request-pattern", _UNLIKE)),
    "unmatched": lambda _: Bytes(head("GET", "/__admin/requests/unmatched/near-misses", token=None)),
    "waiting count": lambda _: Bytes(
        _json("POST", "/__admin/requests/count?atLeast=1&timeoutMs=300", {"urlPath": "/never"})
    ),
    "removal": lambda _: Bytes(_json("POST", "/__admin/requests/remove", {"bodyPatterns": [{"contains": "abc"}]})),
    "retries": lambda _: Bytes(head("GET", "/__admin/retries", token=None)),
    "list of rules": lambda _: Bytes(head("GET", "/__admin/faults", token=None)),
    "deleted rules": lambda _: Bytes(head("DELETE", "/__admin/faults", token=None)),
    "audiences of a tenant": lambda chance: Bytes(
        _json(
            "PUT", "/__admin/tenants", {"token": f"sk_put_{chance.randrange(40)}", "audiences": [{"name": "x"}] * 1000}
        )
    ),
    "reset of a token": lambda chance: Bytes(
        _json("POST", "/__admin/reset", {"token": f"sk_up_{chance.randrange(40)}"})
    ),
}
"""Hostile requests that are long work for the server, by kind."""
