"""Who may use the control API, and why."""

import pytest

from mock_atoms import Settings
from mock_atoms.core.control_access import control_access


@pytest.mark.parametrize(
    ("settings", "access", "reason"),
    [
        (Settings(), "open", "listens on loopback only"),
        (Settings(host=("::1", "127.0.0.1")), "open", "listens on loopback only"),
        (
            Settings(host=("127.0.0.1", "::")),
            "closed",
            "other machines reach the server; open it with --admin-token or",
        ),
        (Settings(host=("0.0.0.0",), admin=True), "open", "--admin"),
        (Settings(host=("0.0.0.0",), admin_token="x"), "token", "requires the token of --admin-token"),
        (Settings(admin=True, admin_token="x"), "token", "requires the token of --admin-token"),
        (Settings(host=("0.0.0.0",)), "closed", "other machines reach the server; open it with --admin-token or"),
        (Settings(admin=False, admin_token="x"), "disabled", "--no-admin"),
    ],
)
def test_the_access_to_the_control_api_has_a_reason(settings: Settings, access: str, reason: str) -> None:
    result = control_access(settings)
    assert result.access == access
    assert result.reason.startswith(reason)
