"""Paths of fault rules: those of the API, and those that stubs may have."""

from collections.abc import Callable

from mock_atoms.contract.operations import DOCUMENTED_PATHS
from mock_atoms.contract.similar_operations import is_similar_path
from mock_atoms.core.parsing import ConfigError


def check_rule_path(path: str | None, base_path: str, is_stubbed: Callable[[str], bool]) -> None:
    """Check that the path of a rule is not a misspelt path of the API. A stub may have any other path, even later.

    Args:
        path: path template below the base path; `None` matches all paths.
        base_path: base path of the API.
        is_stubbed: returns whether a stub may have a complete path.

    Raises:
        ConfigError: the path contains the base path, or is similar to one of the API and no stub has it.
    """
    if path is None or any(_overlap(path, documented) for documented in DOCUMENTED_PATHS):
        return
    if base_path and path.startswith(f"{base_path}/"):
        api_path = path[len(base_path) :]
        raise ConfigError(f"{path} is not below the base path: write {api_path}", "/match/path")
    similar = next((documented for documented in DOCUMENTED_PATHS if is_similar_path(path, documented)), None)
    if similar is not None and not is_stubbed(base_path + path):
        raise ConfigError(f"neither the API nor a stub has {path}. Did you mean `{similar}`?", "/match/path")


def _segments(path: str) -> list[str]:
    return path.rstrip("/").split("/")


def _overlap(template: str, other: str) -> bool:
    """Return whether one path can match both templates."""
    segments, other_segments = _segments(template), _segments(other)
    return len(segments) == len(other_segments) and all(
        segment == other_segment or "{" in segment or "{" in other_segment
        for segment, other_segment in zip(segments, other_segments, strict=True)
    )
