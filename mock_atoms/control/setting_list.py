"""The active settings as JSON, without secrets."""

from typing import Any

from pydantic import TypeAdapter

from mock_atoms.control.models import ActiveSetting
from mock_atoms.core.masking import mask_json, mask_token
from mock_atoms.core.settings import Settings, flag_name, setting_infos, variable_name

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


def _masked(name: str, value: object, *, is_secret: bool) -> object:
    """Return the value of a setting as JSON. Tokens are masked, and secrets that no mask is made for are left out."""
    if name == "tokens" and isinstance(value, frozenset):
        return sorted(map(mask_token, value))
    if name == "fault":
        return mask_json(_JSON.dump_python(value, mode="json"))
    if is_secret and value not in (None, Settings.model_fields[name].default):
        return SECRET
    return _JSON.dump_python(value, mode="json")
