"""Access to the control API: who may use it."""

from typing import Literal, NamedTuple

from mock_atoms.core.addresses import is_loopback
from mock_atoms.core.settings import Settings


class ControlAccess(NamedTuple):
    """Access to the control API, and the reason."""

    access: Literal["open", "token", "closed", "disabled"]
    reason: str


def control_access(settings: Settings) -> ControlAccess:
    """Return the access to the control API of a server with `settings`."""
    if settings.admin is False:
        return ControlAccess("disabled", "--no-admin")
    if settings.admin_token is not None:
        return ControlAccess("token", "requires the token of --admin-token")
    if settings.admin:
        return ControlAccess("open", "--admin")
    if all(map(is_loopback, settings.host)):
        return ControlAccess("open", "listens on loopback only")
    return ControlAccess("closed", "other machines reach the server; open it with --admin-token or --admin")
