"""Any request gets a documented response, and no log line contains a token."""

import logging
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mock_atoms import Settings, create_app
from mock_atoms.contract.schemas import JSON_TYPE
from tests.helpers.asgi import bearer_pairs, call

APP = create_app(Settings())
HEADER_NAMES = st.sampled_from([b"authorization", b"cookie", b"accept", b"content-type", b"x-request-id", b"origin"])
BEARERS = st.builds(lambda scheme, rest: scheme + rest, st.sampled_from([b"Bearer ", b"bearer", b""]), st.binary())
COOKIES = st.builds(lambda rest: b"session=" + rest, st.binary())
HEADERS = st.lists(st.tuples(HEADER_NAMES, BEARERS | COOKIES), max_size=4)
BELOW = ["", "/", "/65a000000000000000000000", "/x/members", "/65a000000000000000000000/members/search"]
PATHS = st.sampled_from([f"/atoms/v1/audience{api_path}" for api_path in BELOW]) | st.text(max_size=30).map(
    "/atoms/v1/".__add__
)
METHODS = st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"])
VISIBLE = st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters=",")
# The first characters are found in no word of a log line.
TOKENS = st.builds(
    "~{}~".format, st.text(VISIBLE, min_size=6) | st.from_regex(r"[a-z]{3}(%[0-9A-F]{2}){1,3}[a-z]*", fullmatch=True)
)


@pytest.mark.slow
@given(METHODS, PATHS, HEADERS)
@settings(max_examples=400, deadline=None)
def test_every_response_is_200_400_401_or_404(method: str, path: str, headers: list[tuple[bytes, bytes]]) -> None:
    response = call(APP, path, headers, method)
    assert response.status in (200, 400, 401, 404)
    assert response.headers["x-request-id"]
    is_page = response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.status == 404 if is_page else response.headers["content-type"] == JSON_TYPE
    assert is_page == (response.headers.get("x-mock-atoms-reason") == "unmocked-route")


@pytest.mark.slow
@given(TOKENS, st.integers(0, 1), st.text(max_size=10))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_log_line_contains_a_token(caplog: pytest.LogCaptureFixture, token: str, repeated: int, rest: str) -> None:
    caplog.clear()
    path = f"/atoms/v1/{rest}{token * repeated}"
    with caplog.at_level(logging.DEBUG):
        call(APP, path, bearer_pairs(token))
        call(APP, path, [(b"cookie", b"session=" + quote(token).encode())])
    lines = [record.getMessage() for record in caplog.records if record.name == "mock_atoms"]
    assert len(lines) == 2
    assert all(token not in line for line in lines)
