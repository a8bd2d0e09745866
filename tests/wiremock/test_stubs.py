"""The JSON of stubs: what is accepted, what is refused, and that no credential shows."""

import json
from base64 import b64encode
from typing import Any

import pytest

from mock_atoms.core.masking import mask_token
from mock_atoms.core.parsing import ConfigError
from mock_atoms.core.slices import run_without_pauses
from mock_atoms.journal.credentials import Credentials
from mock_atoms.wiremock.stub_response import MAX_DRIBBLE_CHUNKS, MAX_REASON_LENGTH, MAX_STUB_FILE_BYTES
from mock_atoms.wiremock.stubs import (
    MAX_SCENARIO_NAME_LENGTH,
    MAX_STUB_BODY_CHARACTERS,
    MAX_STUB_CHARACTERS,
    MAX_STUB_VALUES,
    Stub,
    StubIds,
    lacking_features,
    parse_record,
    parse_records,
    parse_stub,
)

CREDENTIALS = Credentials(b"k" * 32)
KEY = "sk_verysecret_token"
ID = "b1c40b2d-7d2f-4a3a-9d3f-0d1f4f6f2a11"


def no_files(name: str) -> bytes:
    raise ValueError(f"no file {name}")


def parse(value: object, content: bytes | None = None) -> Stub:
    return run_without_pauses(parse_stub(value, CREDENTIALS, no_files if content is None else lambda _name: content))


def reparse(stub: Stub) -> Stub:
    return run_without_pauses(parse_record(json.loads(json.dumps(stub.as_record())), CREDENTIALS))


def response(**fields: object) -> dict[str, Any]:
    return {"response": fields}


def test_an_empty_stub_responds_to_everything_with_an_empty_200() -> None:
    stub = parse({})
    assert (stub.response.status, stub.response.headers, stub.response.body) == (200, (), b"")
    assert stub.as_json() == {"id": stub.id, "uuid": stub.id, "request": {}, "response": {}}
    assert not stub.pattern.conditions


def test_an_id_follows_from_the_content() -> None:
    assert parse({}).id == parse({}).id != parse({"priority": 1}).id
    assert not parse({}).has_own_id


def test_ids_of_equal_stubs_need_linear_work() -> None:
    calls: list[str] = []
    taken: set[str] = set()

    def is_taken(stub_id: str) -> bool:
        calls.append(stub_id)
        return stub_id in taken

    ids = StubIds(is_taken)
    for _ in range(100):
        added = parse({})
        run_without_pauses(ids.give(added))
        taken.add(added.id)
    assert len(taken) == 100
    assert len(calls) < 2 * 100


@pytest.mark.parametrize("fields", [{"id": ID}, {"uuid": ID.upper()}, {"id": ID, "uuid": ID}])
def test_a_stub_can_have_an_explicit_id(fields: dict[str, str]) -> None:
    stub = parse(fields)
    assert stub.id == ID
    assert stub.has_own_id


@pytest.mark.parametrize(
    ("fields", "body"),
    [
        ({"body": "Zürich"}, "Zürich".encode()),
        ({"jsonBody": {"a": ["ü"]}}, '{"a":["ü"]}'.encode()),
        ({"jsonBody": False}, b"false"),
        ({"base64Body": "AP8="}, b"\0\xff"),
        ({"bodyFileName": "a.bin"}, b"\xfffile"),
        ({"body": "a", "jsonBody": None}, b"a"),
    ],
)
def test_a_body_has_several_forms(fields: dict[str, object], body: bytes) -> None:
    stub = parse(response(**fields), b"\xfffile")
    assert stub.response.body == body
    assert reparse(stub).response.body == body
    assert reparse(stub).as_record() == stub.as_record()


def test_headers_are_text_or_lists() -> None:
    stub = parse(response(headers={"X-One": "1", "X-Two": ["a", "b"]}))
    assert stub.response.headers == (("x-one", "1"), ("x-two", "a"), ("x-two", "b"))


def test_delays_are_added_up() -> None:
    fixed = parse(response(fixedDelayMilliseconds=100)).response
    uniform = parse(
        response(fixedDelayMilliseconds=100, delayDistribution={"type": "uniform", "lower": 10, "upper": 20})
    ).response
    lognormal = parse(
        response(delayDistribution={"type": "lognormal", "median": 80, "sigma": 0.4, "maxValue": 90})
    ).response
    assert fixed.delay_ms(0.5) == 100
    assert uniform.delay_ms(0.5) == 115
    assert lognormal.delay_ms(0.5) == pytest.approx(80)
    assert lognormal.delay_ms(0.999) == 90
    assert parse({}).response.delay_ms(0.5) == 0


REFUSED = {
    "no object": ([], "/", "must be an object"),
    "unknown key": ({"requests": {}}, "/requests", "unknown key"),
    "a response that is no object": ({"response": []}, "/response", "must be an object"),
    "unknown key of a response": (response(text="a"), "/response/text", "unknown key"),
    "an id that is no UUID": ({"id": "a"}, "/id", "must be a UUID"),
    "two ids": ({"id": ID, "uuid": ID.replace("b", "c")}, "/", "id and uuid differ"),
    "a pattern that is no object": ({"request": []}, "/request", "must be an object"),
    "an unsupported pattern": ({"request": {"clientIp": "a"}}, "/request/clientIp", "unsupported field"),
    "two bodies": (response(body="a", jsonBody=1), "/response", "use only one of body"),
    "Base64": (response(base64Body="a"), "/response/base64Body", "not Base64"),
    "a missing file": (response(bodyFileName="a.txt"), "/response/bodyFileName", "no file a.txt"),
    "a body of a 204": (response(status=204, body="a"), "/response/status", "a 204 has no body"),
    "status": (response(status=600), "/response/status", "must be at most 599"),
    "header of the server": (response(headers={"Content-Length": "1"}), "/response/headers", "set by the server"),
    "reason phrase": (response(statusMessage="a\nb"), "/response/statusMessage", "printable ASCII"),
    "long reason phrase": (
        response(statusMessage="a" * (MAX_REASON_LENGTH + 1)),
        "/response/statusMessage",
        f"at most {MAX_REASON_LENGTH} characters",
    ),
    "unknown fault": (response(fault="OTHER"), "/response/fault", "must be"),
    "unknown distribution": (
        response(delayDistribution={"type": "fixed"}),
        "/response/delayDistribution/type",
        "must be `lognormal` or `uniform`",
    ),
    "incomplete distribution": (
        response(delayDistribution={"type": "uniform", "lower": 1}),
        "/response/delayDistribution",
        "uniform needs lower and upper",
    ),
    "maximum of a uniform distribution": (
        response(delayDistribution={"type": "uniform", "lower": 1, "upper": 2, "maxValue": 3}),
        "/response/delayDistribution",
        "use upper",
    ),
    "inverted distribution": (
        response(delayDistribution={"type": "uniform", "lower": 2, "upper": 1}),
        "/response/delayDistribution",
        "minMs is greater",
    ),
    "too many chunks": (
        response(chunkedDribbleDelay={"numberOfChunks": MAX_DRIBBLE_CHUNKS + 1, "totalDuration": 1}),
        "/response/chunkedDribbleDelay/numberOfChunks",
        "must be at most",
    ),
    "state without scenario": ({"newScenarioState": "a"}, "/", "a scenario state needs scenarioName"),
    "long scenario name": (
        {"scenarioName": "a" * (MAX_SCENARIO_NAME_LENGTH + 1)},
        "/scenarioName",
        f"at most {MAX_SCENARIO_NAME_LENGTH} characters",
    ),
    "too long body": (response(body="a" * (MAX_STUB_BODY_CHARACTERS + 1)), "/response/body", "use bodyFileName"),
    "too long": ({"name": "a" * (MAX_STUB_CHARACTERS + 1)}, "/", "too large"),
    "too many values": (response(jsonBody=[0] * MAX_STUB_VALUES), "/", "too large"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_an_invalid_stub_is_refused(case: str) -> None:
    value, pointer, problem = REFUSED[case]
    with pytest.raises(ConfigError) as error:
        parse(value)
    assert error.value.pointer == pointer
    assert problem in error.value.problem


def test_the_longest_stub_is_accepted() -> None:
    stub = parse({"name": "a" * (MAX_STUB_CHARACTERS - 100), **response(body="b" * MAX_STUB_BODY_CHARACTERS)})
    assert len(stub.response.body) == MAX_STUB_BODY_CHARACTERS


LACKING = [
    ({"transformers": ["response-template"]}, "response templates"),
    ({"transformerParameters": {"a": 1}}, "response templates"),
    ({"proxyBaseUrl": "http://a"}, "proxying"),
    ({"additionalProxyRequestHeaders": {"a": "b"}}, "proxying"),
    ({"fromConfiguredStub": True}, "leave it out"),
]


@pytest.mark.parametrize(("fields", "problem"), LACKING)
def test_a_feature_that_we_lack_is_named(fields: dict[str, object], problem: str) -> None:
    (error,) = lacking_features(response(**fields))
    assert error.pointer == f"/response/{next(iter(fields))}"
    assert problem in error.problem
    with pytest.raises(ConfigError, match=problem):
        parse(response(**fields))


def test_all_features_that_we_lack_are_listed() -> None:
    value = {"postServeActions": [{"name": "webhook"}], "serveEventListeners": [1], **response(proxyBaseUrl="http://a")}
    pointers = [error.pointer for error in lacking_features(value)]
    assert pointers == ["/postServeActions", "/serveEventListeners", "/response/proxyBaseUrl"]
    assert lacking_features("a") == lacking_features({"response": "a"}) == []


def test_empty_features_and_nulls_have_no_effect() -> None:
    empty: dict[str, Any] = {"postServeActions": [], "name": None, "request": {"clientIp": None}}
    stub = parse({**empty, **response(transformers=[], transformerParameters={}, body=None)})
    assert stub.as_json() == {"id": stub.id, "uuid": stub.id, "request": {"clientIp": None}, "response": {}}


def test_credentials_are_masked_in_json_and_records_but_sent() -> None:
    request = {"urlPath": f"/{KEY}", "headers": {"Authorization": {"equalTo": f"Bearer {KEY}"}}}
    stub = parse({"name": KEY, "request": request, "metadata": {"a": KEY}, **response(body=KEY)})
    assert KEY not in json.dumps(stub.as_record())
    assert stub.as_json()["request"]["headers"]["Authorization"] == {"equalTo": f"Bearer {mask_token(KEY)}"}
    assert stub.response.body == KEY.encode()
    assert reparse(stub).response.body == mask_token(KEY).encode()
    assert reparse(stub).as_record() == stub.as_record()


def test_credentials_in_files_are_masked_in_records() -> None:
    stub = parse(response(bodyFileName="a.txt"), f"key {KEY}".encode())
    assert stub.as_record()["fileBody"] == b64encode(f"key {mask_token(KEY)}".encode()).decode()
    assert "fileBody" not in stub.as_json()


def test_a_stub_that_is_too_large_when_masked_is_refused() -> None:
    keys = " ".join(f"sk_{number:04d}" for number in range(12_000))
    with pytest.raises(ConfigError, match="when its keys are masked"):
        parse({"name": keys})


@pytest.mark.parametrize(
    ("file_body", "problem"),
    [
        (None, "fileBody is missing"),
        ("a", "Invalid base64"),
        ("A" * 4 * (MAX_STUB_FILE_BYTES // 3 + 2), "too large"),
    ],
)
def test_a_record_needs_the_content_of_its_file(file_body: str | None, problem: str) -> None:
    record = {**response(bodyFileName="a.txt"), **({} if file_body is None else {"fileBody": file_body})}
    with pytest.raises(ConfigError, match=problem):
        run_without_pauses(parse_records([{}, record], CREDENTIALS))


def test_the_content_of_a_file_is_no_field_of_a_stub() -> None:
    with pytest.raises(ConfigError, match="unknown key"):
        parse({"fileBody": ""})
    with pytest.raises(ConfigError, match="must be an object"):
        run_without_pauses(parse_record("a", CREDENTIALS))
