"""Paths of fault rules."""

import pytest

from mock_atoms.core.parsing import ConfigError
from mock_atoms.faults.rule_path import check_rule_path


def check(path: str | None, *stubbed: str) -> None:
    check_rule_path(path, "/atoms/v1", stubbed.__contains__)


@pytest.mark.parametrize(
    "path",
    [
        *(
            None,
            "/audience",
            "/audience/",
            "/audience/65a01285f0c7adc6c2c9a7a1",
            "/{group}",
            "/campaign/{id}/export/{kind}",
        ),
        *(
            "/webhook",
            "/",
            "/agent/{id}",
            "/conversation/{id}",
            "/campaign/{id}/stop",
            "/audience/{id}/members/7/calls",
        ),
        *("/" + "a" * 90_000, "/" + "audience" * 10_000),
    ],
)
def test_a_path_of_the_api_or_of_a_later_stub_is_accepted(path: str | None) -> None:
    check(path)


@pytest.mark.parametrize(
    ("path", "similar"),
    [
        ("/audiences", "/audience"),
        ("/audienec/", "/audience"),
        ("/Audience", "/audience"),
        ("/audiences/{id}", "/audience/{id}"),
        ("/audience/7/member", "/audience/{id}/members"),
        ("/audience/7/member/search", "/audience/{id}/members/search"),
        ("/users", "/user"),
        ("/product/phone_numbers", "/product/phone-numbers"),
    ],
)
def test_a_misspelt_path_is_refused_unless_a_stub_has_it(path: str, similar: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check(path)
    message = f"/match/path: neither the API nor a stub has {path}. Did you mean `{similar}`?"
    assert str(caught.value) == message
    check(path, f"/atoms/v1{path}")


@pytest.mark.parametrize("path", ["/atoms/v1/audience", "/atoms/v1/webhook"])
def test_a_path_that_contains_the_base_path_is_refused(path: str) -> None:
    with pytest.raises(ConfigError, match=f"{path} is not below the base path: write {path.removeprefix('/atoms/v1')}"):
        check(path, path)
