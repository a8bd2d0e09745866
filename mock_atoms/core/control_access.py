"""Who may use the control API."""

from typing import Literal, NamedTuple

from mock_atoms.core.addresses import is_loopback
from mock_atoms.core.settings import Settings


class ControlAccess(NamedTuple):
    """Who may use the control API, and why."""

    access: Literal["open", "token", "closed", "disabled"]
    reason: str


def control_access(settings: Settings) -> ControlAccess:
    """Return who may use the control API of a server with `settings`."""
    if settings.admin is False:
        return ControlAccess("disabled", "disabled: --no-admin")
    if settings.admin_token is not None:
        return ControlAccess("token", "needs the token of --admin-token")
    if settings.admin:
        return ControlAccess("open", "open to all: --admin")
    if is_loopback(settings.host):
        return ControlAccess("open", "open: listens on loopback only")
    return ControlAccess("closed", "closed: other machines reach the server; open it with --admin-token or --admin")
