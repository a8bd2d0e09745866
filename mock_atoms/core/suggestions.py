"""Suggestions for misspelt names."""

from collections.abc import Iterable


def did_you_mean(name: str, known_names: Iterable[str], prefix: str = "") -> str:
    """Return ` Did you mean …?` with the most similar known name, or an empty string.

    Args:
        name: the misspelt name.
        known_names: the names to choose from.
        prefix: beginning of all names, such as `--`, which does not count as similarity.
    """
    from difflib import get_close_matches  # noqa: PLC0415 - only errors need it

    words = {known.removeprefix(prefix).casefold(): known for known in known_names}
    matches = get_close_matches(name.removeprefix(prefix).casefold(), words, n=1)
    return f" Did you mean `{words[matches[0]]}`?" if matches else ""
