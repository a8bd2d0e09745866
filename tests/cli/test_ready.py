import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mock_atoms import Settings, __version__
from mock_atoms.cli.ready import ready_message

CA_FILE = Path("/tmp/ca.pem")


def now() -> datetime:
    return datetime(2026, 1, 31, 9, tzinfo=UTC)


def test_the_text_lists_addresses_urls_and_who_may_use_the_control_api() -> None:
    settings = Settings(host=("localhost",), base_path="/x")
    assert ready_message(settings, [("127.0.0.1", 80), ("::1", 80)], None, now).splitlines() == [
        f"mock-atoms {__version__} is ready; base URL: http://localhost:80/x",
        "  listening on: 127.0.0.1:80, [::1]:80",
        "  documentation: http://localhost:80/docs",
        "  dashboard: http://localhost:80/__admin/",
        "  control API: http://localhost:80/__admin (open: listens on loopback only)",
    ]


def test_a_server_without_control_api_has_no_dashboard() -> None:
    message = ready_message(Settings(admin=False), [("127.0.0.1", 80)], None, now)
    assert "dashboard" not in message
    assert "control API: http://127.0.0.1:80/__admin (disabled:" in message


def test_the_text_names_a_shared_store_without_its_password() -> None:
    settings = Settings(store="redis://me:hunter2@store:6379/0", store_prefix="team", workers=2)
    last_line = ready_message(settings, [("127.0.0.1", 80)], None, now).splitlines()[-1]
    assert last_line == "  shared store: redis://***@store:6379/0; prefix: team; workers: 2"


def test_the_text_ends_with_the_certificate_to_trust() -> None:
    settings = Settings(tls="self-signed")
    last_line = ready_message(settings, [("127.0.0.1", 80)], CA_FILE, now).splitlines()[-1]
    assert last_line == "  CA certificate for clients to trust: /tmp/ca.pem"


@pytest.mark.parametrize("ca_file", [None, CA_FILE])
def test_the_json_is_one_line_with_the_same_facts(ca_file: Path | None) -> None:
    settings = Settings(host=("0.0.0.0",), tls="self-signed", log_format="json")
    message = ready_message(settings, [("0.0.0.0", 80)], ca_file, now)
    assert "\n" not in message
    assert json.loads(message) == {
        "time": "2026-01-31T09:00:00.000+00:00",
        "level": "info",
        "message": "mock-atoms is ready",
        "version": __version__,
        "addresses": ["0.0.0.0:80"],
        "baseUrl": "https://127.0.0.1:80/atoms/v1",
        "docsUrl": "https://127.0.0.1:80/docs",
        "controlApi": {
            "url": "https://127.0.0.1:80/__admin",
            "access": "closed",
            "reason": "other machines reach the server; open it with --admin-token or --admin",
        },
        "caFile": None if ca_file is None else "/tmp/ca.pem",
    }
