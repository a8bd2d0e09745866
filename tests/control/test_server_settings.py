"""The active settings, as the control API shows them."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from mock_atoms import Settings, create_app
from mock_atoms.core.settings import setting_infos
from mock_atoms.core.version import __version__
from tests.helpers.asgi import bearer_pairs, call


def shown(**settings: Any) -> dict[str, dict[str, Any]]:  # noqa: ANN401 - any setting
    headers = bearer_pairs(settings["admin_token"]) if "admin_token" in settings else []
    body = json.loads(call(create_app(Settings(**settings)), "/__admin/server", headers).body)
    assert body["version"] == __version__
    return {setting["name"]: setting for setting in body["settings"]}


def test_every_setting_is_shown_with_its_names_and_value() -> None:
    settings = shown(seed="mine")
    assert list(settings) == list(setting_infos())
    seed = settings["seed"]
    assert (seed["flag"], seed["variable"]) == ("--seed", "MOCK_ATOMS_SEED")
    assert (seed["value"], seed["isDefault"]) == ("mine", False)
    assert (settings["port"]["value"], settings["port"]["isDefault"]) == (28667, True)
    assert settings["admin_token"]["value"] is None


def test_secrets_are_masked_or_left_out() -> None:
    settings = shown(admin_token="sk_secret_1", tokens=["sk_live_b", "sk_mock_one"], fault=["500"])
    assert settings["admin_token"]["value"] == "…"
    assert settings["tokens"]["value"][1] == "sk_mock_one"
    assert "sk_live_b" not in str(settings["tokens"]["value"])
    assert settings["fault"]["value"] == ["500"]
    rule = {"match": {"token": "sk_live_c"}, "respond": {"status": 500}}
    assert "sk_live_c" not in str(shown(fault=[rule])["fault"]["value"])


@pytest.mark.parametrize("form", [json.dumps, lambda rule: rule])
def test_the_token_of_a_fault_is_masked_even_if_it_is_no_key(form: Callable[[object], Any]) -> None:
    rule = {"match": {"token": "my-secret-token-123456"}, "respond": {"status": 500}}
    (fault,) = shown(fault=[form(rule)])["fault"]["value"]
    masked = json.loads(fault) if isinstance(fault, str) else fault
    assert masked["match"]["token"] == "my-secret-…#ac854d"
    assert "token-123456" not in str(fault)


def test_the_default_store_is_shown() -> None:
    assert shown()["store"]["value"] == "memory"
