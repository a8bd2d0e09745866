from datetime import UTC, datetime
from pathlib import Path

import pytest

from mock_atoms.core.parsing import ConfigError
from mock_atoms.core.setting_sources import load_settings
from mock_atoms.core.settings import Settings, flag_name, key_name, setting_infos, validate_settings, variable_name


def test_no_source_gives_the_defaults() -> None:
    assert load_settings({}, {}) == Settings()
    assert Settings().port == 28667
    assert Settings().base_path == "/atoms/v1"


def test_every_field_has_a_flag_a_key_and_a_variable() -> None:
    assert set(setting_infos()) == set(Settings.model_fields)
    assert (flag_name("base_path"), key_name("base_path")) == ("--base-path", "base-path")
    assert variable_name("base_path") == "MOCK_ATOMS_BASE_PATH"
    assert (flag_name("fault"), variable_name("fault")) == ("--fault", "MOCK_ATOMS_FAULT")
    assert (flag_name("cors_origin"), variable_name("cors_origin")) == ("--cors-origin", "MOCK_ATOMS_CORS_ORIGIN")


@pytest.mark.parametrize(
    ("field", "raw_value", "value"),
    [
        ("host", "0.0.0.0", ("0.0.0.0",)),
        ("host", "::1; 127.0.0.1", ("::1", "127.0.0.1")),
        ("port", "0", 0),
        ("base_path", "/", ""),
        ("base_path", "/api/v1/", "/api/v1"),
        ("seed", "42", "42"),
        ("locale", "de-DE", "de_DE"),
        ("fixtures", "some/folder", Path("some/folder")),
        ("tokens", "sk_a, sk_b,", frozenset({"sk_a", "sk_b"})),
        ("session_cookie", "connect.sid", "connect.sid"),
        ("error_rate", "0.25", 0.25),
        ("fault", "500x2; GET /audience 429", ("500x2", "GET /audience 429")),
        ("fault", '["500", {"delay": {"ms": 5}}]', ("500", {"delay": {"ms": 5}})),
        ("fault", '{"name": "a;b", "delay": {"ms": 5}}', ('{"name": "a;b", "delay": {"ms": 5}}',)),
        ("now", "2026-01-31T10:00:00+01:00", datetime(2026, 1, 31, 9, tzinfo=UTC)),
        ("now", datetime(2026, 1, 31, 9, tzinfo=UTC), datetime(2026, 1, 31, 9, tzinfo=UTC)),
        ("cors_origin", "https://a.test,localhost", ("https://a.test", "localhost")),
        ("cors_origin", "https://a.test;localhost", ("https://a.test", "localhost")),
        ("cors_origin", "*", ("*",)),
        (
            "cors_origin",
            ["https://a.test, https://b.test", "localhost"],
            ("https://a.test", "https://b.test", "localhost"),
        ),
        ("log_level", "debug", "debug"),
        ("log_format", "json", "json"),
    ],
)
def test_a_value_is_parsed(field: str, raw_value: object, value: object) -> None:
    settings = [load_settings({field: raw_value}, {})]
    if isinstance(raw_value, str):
        settings.append(load_settings({}, {variable_name(field): raw_value}))
    assert [getattr(loaded, field) for loaded in settings] == [value] * len(settings)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("host", "", "--host: an empty text is invalid: must not be empty"),
        ("port", "65536", "--port: `65536` is invalid: must be at most 65535"),
        ("port", "http", "--port: `http` is invalid: must be a whole number"),
        ("base_path", "atoms", "--base-path: `atoms` is invalid: a base path is / or looks like /atoms/v1"),
        (
            "base_path",
            "/docs/v1",
            "--base-path: `/docs/v1` is invalid: the server uses this path itself; choose another one",
        ),
        ("base_path", "/a//b", "--base-path: `/a//b` is invalid: a base path is / or looks like /atoms/v1"),
        (
            "locale",
            "de_XX",
            "--locale: `de_XX` is invalid: faker has no such locale; choose one such as de, de_AT, de_CH, de_DE, de_LI",
        ),
        ("locale", "€", "--locale: `€` is invalid: faker has no such locale; choose one such as en_US"),
        ("error_rate", "1.5", "--error-rate: `1.5` is invalid: must be at most 1"),
        ("error_rate", "nan", "--error-rate: `nan` is invalid: must be at most 1"),
        (
            "now",
            "2026-01-31",
            "--now: `2026-01-31` is invalid: not a timestamp such as 2025-01-15T10:30:00.000Z, from 1970 to 2106",
        ),
        ("now", "2026-13-31T09:00:00Z", "--now: `2026-13-31T09:00:00Z` is invalid: not a timestamp such as"),
        ("now", "2026-01-31T09:00:00", "--now: `2026-01-31T09:00:00` is invalid: not a timestamp such as"),
        ("now", "2106-02-07T06:28:16Z", "--now: `2106-02-07T06:28:16Z` is invalid: not a timestamp such as"),
        ("now", "0001-01-01T00:00:00+01:00", "--now: `0001-01-01T00:00:00+01:00` is invalid: not a timestamp such as"),
        ("log_level", "loud", "--log-level: `loud` is invalid: must be `debug`, `info`, `warning` or `error`"),
        ("cors_origin", ["app.test"], "--cors-origin: `app.test` is invalid: an origin looks like https://app.test"),
        (
            "cors_origin",
            ["https://app.test/"],
            "--cors-origin: `https://app.test/` is invalid: an origin looks like https://app.test",
        ),
        ("session_cookie", "a b", "--session-cookie: `a b` is invalid: a cookie's name has no spaces"),
        ("seed", "\udcff", "--seed: `U+DCFF` is invalid: not valid text"),
        ("admin_token", "\udcff", "--admin-token: must be valid text"),
        ("tokens", 7, "--tokens: must be a list"),
        ("fault", "[" * 100_000, "--fault: not a JSON list: "),
        ("fault", ";;", "--fault: no fault: write one such as 500x2, or leave the setting out"),
        ("fault", "", "--fault: no fault: write one such as 500x2, or leave the setting out"),
        ("port", True, "--port: `true` is invalid: must be a number"),
        ("port", 1.0, "--port: `1.0` is invalid: must be a whole number"),
        ("journal_size", 1_000_001, "--journal-size: `1000001` is invalid: must be at most 1000000"),
        ("journal_size", False, "--journal-size: `false` is invalid: must be a number"),
        ("workers", 65, "--workers: `65` is invalid: must be at most 64"),
        ("store_prefix", "x" * 101, "--store-prefix: `xxx"),
        ("store_prefix", "{a}", "--store-prefix: `{a}` is invalid: a prefix has up to 100 ASCII letters, digits"),
        (
            "store_prefix",
            "team",
            "--store-prefix: `team` is invalid: it needs a shared store, such as --store redis://",
        ),
        ("tenant_ttl", 60, "--tenant-ttl: `60` is invalid: it needs a shared store, such as --store redis://"),
        ("error_rate", True, "--error-rate: `true` is invalid: must be a number"),
        ("admin", 1, "--admin: `1` is invalid: must be true or false"),
        ("response_cache", 0.0, "--response-cache: `0.0` is invalid: must be true or false"),
        ("port", "sk_verysecret", "--port: `sk_ver…#38c9cb` is invalid: must be a whole number"),
    ],
)
def test_an_invalid_value_is_reported_with_its_flag(field: str, value: object, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings({field: value}, {})
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["sk_verysecret with space", ",", "sk_verysecret\x7f"])
def test_an_invalid_token_is_reported_without_its_value(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^MOCK_ATOMS_TOKENS: ") as caught:
        load_settings({}, {"MOCK_ATOMS_TOKENS": text})
    assert "verysecret" not in str(caught.value)


def test_tokens_and_faults_stay_out_of_repr() -> None:
    settings = Settings(tokens=frozenset({"sk_verysecret"}), fault=('{"match": {"token": "sk_verysecret"}}',))
    assert "verysecret" not in repr(settings)


def test_a_fault_list_that_is_not_json_is_rejected() -> None:
    with pytest.raises(ConfigError, match=r"^MOCK_ATOMS_FAULT: not a JSON list: "):
        load_settings({}, {"MOCK_ATOMS_FAULT": '["500"'})


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("base_pth", "`base_pth` is not a setting. Did you mean `base_path`?"),
        ("faults", "`faults` is not a setting. Did you mean `fault`?"),
        ("nothing", "`nothing` is not a setting."),
    ],
)
def test_an_unknown_field_is_rejected_with_a_suggestion(name: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        validate_settings({name: 1})
    assert str(caught.value) == message


@pytest.mark.parametrize("host", ["127.0.0.1;::1", "127.0.0.1, ::1", ["127.0.0.1", "::1"], ("127.0.0.1", "::1")])
def test_hosts_are_separated_by_semicolons_or_commas(host: object) -> None:
    assert validate_settings({"host": host}).host == ("127.0.0.1", "::1")


@pytest.mark.parametrize("host", ["http://localhost", "[::1]", "127.0.0.1 ::1"])
def test_a_host_is_an_address_or_a_name(host: str) -> None:
    with pytest.raises(ConfigError, match="write an address or a name, such as ::1 or localhost, without"):
        validate_settings({"host": host})


def test_type_checkers_accept_a_host_as_text_and_as_a_sequence() -> None:
    # mypy reads this test too, without a plugin of pydantic.
    assert Settings(host="127.0.0.1").host == ("127.0.0.1",)
    assert Settings(host=["127.0.0.1", "::1"]).host == Settings(host="127.0.0.1,::1").host
