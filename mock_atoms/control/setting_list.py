"""The active settings as JSON, without secrets."""

from typing import Any

from pydantic import TypeAdapter

from mock_atoms.control.models import ActiveSetting
from mock_atoms.core.json_stream import dump_json
from mock_atoms.core.masking import mask_text, mask_token
from mock_atoms.core.settings import Settings, flag_name, setting_infos, variable_name
from mock_atoms.faults.expressions import parse_fault

_JSON: TypeAdapter[Any] = TypeAdapter(Any)
SECRET = "…"  # noqa: S105 - a placeholder
"""Value of a secret that is set."""


def active_settings(settings: Settings) -> list[ActiveSetting]:
    """Return all settings in the order of docs/settings.md."""
    return [
        {
            "name": name,
            "flag": flag_name(name),
            "variable": variable_name(name),
            "group": info.group,
            "help": info.help,
            "value": _masked(name, getattr(settings, name), is_secret=info.secret),
            "isDefault": getattr(settings, name) == Settings.model_fields[name].default,
        }
        for name, info in setting_infos().items()
    ]


def _masked_fault(fault: str | dict[str, Any]) -> object:
    """Return a fault of the settings. A rule has the same form as in `GET /__admin/faults`."""
    if isinstance(fault, str):
        return dump_json(parse_fault(fault).as_json()) if fault.lstrip().startswith("{") else mask_text(fault)
    return parse_fault(fault).as_json()


def _masked(name: str, value: object, *, is_secret: bool) -> object:
    """Return the value of a setting as JSON. Tokens are masked, and secrets that no mask is made for are left out."""
    if name == "tokens" and isinstance(value, frozenset):
        return sorted(map(mask_token, value))
    if name == "fault":
        return [_masked_fault(fault) for fault in _JSON.dump_python(value, mode="json")]
    if is_secret and value not in (None, Settings.model_fields[name].default):
        return SECRET
    return _JSON.dump_python(value, mode="json")
