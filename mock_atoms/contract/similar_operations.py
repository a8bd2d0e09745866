"""Operations whose method and path are similar to those of a request."""

from difflib import SequenceMatcher

from mock_atoms.contract.operations import OPERATIONS, Operation

_MIN_SIMILARITY = 0.75
"""Similarity of two segments, from 0 to 1, from which on one is a misspelling of the other."""
_MAX_SEGMENTS = max(operation.path.count("/") for operation in OPERATIONS)


def operation_at_end(method: str, path: str) -> Operation | None:
    """Return an operation that is similar to the end of a path, or `None` if there is none; see `similar_operation`."""
    segments = _segments(path)[1:][-_MAX_SEGMENTS:]
    ends = ("/".join(["", *segments[start:]]) for start in range(len(segments)))
    found = (similar_operation(method, end) for end in ends)
    return next((operation for operation in found if operation is not None), None)


def similar_operation(method: str, path: str) -> Operation | None:
    """Return an operation with the method and a similar path, or `None` if there is none. HEAD counts as GET.

    Args:
        method: HTTP method.
        path: path below the base path.
    """
    routed_method = "GET" if method == "HEAD" else method
    return next(
        (
            operation
            for operation in OPERATIONS
            if operation.method == routed_method and is_similar_path(path.replace("{", ""), operation.path)
        ),
        None,
    )


def is_similar_path(path: str, documented: str) -> bool:
    """Return whether a path, or a path template, is equal to a documented one or a misspelling of it."""
    segments, documented_segments = _segments(path), _segments(documented)
    return len(segments) == len(documented_segments) and all(
        "{" in segment or "{" in expected or _is_similar(segment.casefold(), expected.casefold())
        for segment, expected in zip(segments, documented_segments, strict=True)
    )


def _segments(path: str) -> list[str]:
    return path.rstrip("/").split("/")


def _is_similar(segment: str, expected: str) -> bool:
    if segment == expected:
        return True
    # The quick ratios are upper bounds, so that a long segment takes no time.
    matcher = SequenceMatcher(None, segment, expected)
    return all(ratio() >= _MIN_SIMILARITY for ratio in (matcher.real_quick_ratio, matcher.quick_ratio, matcher.ratio))
