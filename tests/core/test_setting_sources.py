from pathlib import Path

import pytest

from mock_atoms.core.parsing import ConfigError
from mock_atoms.core.setting_sources import load_settings
from mock_atoms.core.settings import Settings


def test_flags_override_the_environment_which_overrides_the_file(tmp_path: Path) -> None:
    file = tmp_path / "mock.toml"
    file.write_text('seed = "file"\nlocale = "fr_FR"\nport = 1\nfault = ["500"]\nbase-path = "/x"\n')
    settings = load_settings({"seed": "flag", "locale": None}, {"MOCK_ATOMS_SEED": "env", "MOCK_ATOMS_PORT": "2"}, file)
    assert (settings.seed, settings.port, settings.locale) == ("flag", 2, "fr_FR")
    assert (settings.fault, settings.base_path) == (("500",), "/x")


def test_a_flag_with_the_default_value_overrides_the_environment() -> None:
    assert load_settings({"port": "28667"}, {"MOCK_ATOMS_PORT": "1"}).port == 28667


def test_an_empty_variable_counts_as_unset() -> None:
    assert load_settings({}, {"MOCK_ATOMS_TOKENS": "", "MOCK_ATOMS_PORT": ""}) == Settings()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("MOCK_ATOMS_SERVICE_HOST", "10.0.0.7"),
        ("MOCK_ATOMS_SERVICE_PORT", "28667"),
        ("MOCK_ATOMS_SERVICE_PORT_HTTP", "28667"),
        ("MOCK_ATOMS_PORT", "tcp://10.0.0.7:28667"),
        ("MOCK_ATOMS_PORT", "udp://10.0.0.7:28667"),
        ("MOCK_ATOMS_PORT_28667_TCP", "tcp://10.0.0.7:28667"),
        ("MOCK_ATOMS_PORT_28667_TCP_PROTO", "tcp"),
        ("MOCK_ATOMS_PORT_28667_TCP_PORT", "28667"),
        ("MOCK_ATOMS_PORT_28667_TCP_ADDR", "10.0.0.7"),
        ("MOCK_ATOMS_PORT_53_UDP_ADDR", "10.0.0.7"),
        ("MOCK_ATOMS_FOO_SERVICE_HOST", "10.0.0.8"),
        ("MOCK_ATOMS_FOO_SERVICE_PORT", "80"),
        ("MOCK_ATOMS_FOO_SERVICE_PORT_HTTP", "80"),
        ("MOCK_ATOMS_FOO_PORT", "tcp://10.0.0.8:80"),
        ("MOCK_ATOMS_FOO_PORT_80_TCP_PROTO", "tcp"),
        ("MOCK_ATOMS_CONFIG", ""),
        ("MOCK_ATOMS_URL", "http://127.0.0.1:28667"),
        ("MOCK_ATOMS_HSOT", ""),
        ("MOCK_ATOM_HOST", "x"),
    ],
)
def test_a_variable_that_is_no_setting_of_ours_is_ignored(variable: str, value: str) -> None:
    assert load_settings({}, {variable: value}) == Settings()


@pytest.mark.parametrize(
    ("variable", "value", "suggestion"),
    [
        ("MOCK_ATOMS_HSOT", "x", "Did you mean `MOCK_ATOMS_HOST`?"),
        ("MOCK_ATOMS_FAULTS", "500", "Did you mean `MOCK_ATOMS_FAULT`?"),
        ("MOCK_ATOMS_BASEPATH", "/", "Did you mean `MOCK_ATOMS_BASE_PATH`?"),
        ("MOCK_ATOMS_base_path", "/", "Did you mean `MOCK_ATOMS_BASE_PATH`?"),
        ("MOCK_ATOMS_CONFGI", "x", "Did you mean `MOCK_ATOMS_CONFIG`?"),
        ("MOCK_ATOMS_FOO_PORT", "80", "Did you mean `MOCK_ATOMS_PORT`?"),
        ("MOCK_ATOMS_FOO_SERVICE", "80", "`mock-atoms serve --help` lists all settings."),
        ("MOCK_ATOMS_QQQ", "x", "`mock-atoms serve --help` lists all settings."),
    ],
)
def test_an_unknown_variable_is_rejected_with_a_suggestion(variable: str, value: str, suggestion: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings({}, {"PATH": "/bin", variable: value})
    assert str(caught.value) == f"environment: `{variable}` is not a setting. {suggestion}"


def test_the_config_variable_names_the_file(tmp_path: Path) -> None:
    file = tmp_path / "mock.toml"
    file.write_text("port = 1\n")
    other = tmp_path / "other.toml"
    other.write_text("port = 2\n")
    environ = {"MOCK_ATOMS_CONFIG": str(file)}
    assert load_settings({}, environ).port == 1
    assert load_settings({}, environ, other).port == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"prot = 1", "`prot` is not a setting. Did you mean `port`?"),
        (b'base_path = "/x"', "`base_path` is not a setting. Did you mean `base-path`?"),
        (b'faults = ["500"]', "`faults` is not a setting. Did you mean `fault`?"),
        (b"[qqqq]\nport = 1", "`qqqq` is not a setting. `mock-atoms serve --help` lists all settings."),
        (b"port = 99999", "port: `99999` is invalid: must be at most 65535"),
        (b"a = " + b"[" * 100_000, "not TOML: "),
        (b"port = = 1", "not TOML: Invalid value (at line 1, column 8)"),
        (b"\xff", "not TOML: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte"),
    ],
)
def test_an_invalid_file_is_reported_with_its_path(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "mock.toml"
    file.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load_settings({}, {}, file)
    assert str(caught.value).startswith(f"{file}: {message}")


def test_a_missing_file_is_reported_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"mock\.toml: cannot be read: No such file or directory"):
        load_settings({}, {}, tmp_path / "mock.toml")
