import pytest

from mock_atoms.core.suggestions import did_you_mean


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("--prot", " Did you mean `--port`?"),
        ("--PORT", " Did you mean `--port`?"),
        ("port", " Did you mean `--port`?"),
        ("--base_path", " Did you mean `--base-path`?"),
        ("--xyz", ""),
        ("--", ""),
    ],
)
def test_the_most_similar_name_is_suggested(name: str, suggestion: str) -> None:
    assert did_you_mean(name, ["--port", "--base-path", "--host"], "--") == suggestion
