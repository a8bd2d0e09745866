"""A bound on the work that one request pattern causes."""

from mock_atoms.core.parsing import ConfigError

MAX_PATTERN_STEPS = 25_000
"""Maximum number of steps to parse a pattern, and to compare it with one request. A step takes about a microsecond."""

STEPS_PER_PAUSE = 250
"""Number of steps after which a scan of exchanges may pause."""
_COMPARISONS_PER_STEP = 2_500
_MAX_COMPARISONS = 400_000
"""CPython searches a short text for a part by comparing the part at each position. It may do so up to this number of
character comparisons; longer texts are searched in linear time."""
_LINEAR_SEARCH_LENGTH = 30_000
"""Length from which CPython searches in linear time, if the part is at most a quarter of the text."""
_CHARACTERS_PER_STEP = 200  # of a linear search


class StepCounter:
    """Counts steps, so that one pattern cannot hold other clients. The same work always takes the same steps.

    Attributes:
        remaining: number of steps that may follow.
    """

    remaining = MAX_PATTERN_STEPS

    def count_steps(self, steps: int = 1) -> None:
        """Count `steps` more.

        Raises:
            ConfigError: there are too many.
        """
        self.remaining -= steps
        if self.remaining < 0:
            raise ConfigError(
                f"the pattern takes more than {MAX_PATTERN_STEPS:,} steps: use fewer or shorter operators, "
                "or several patterns",
                "/",
            )

    def contains(self, text: str, part: str) -> bool:
        """Return whether `text` contains `part`. Takes linear time."""
        comparisons = max(0, len(text) - len(part)) * (len(part) + 5)
        if comparisons <= _MAX_COMPARISONS:
            self.count_steps(1 + comparisons // _COMPARISONS_PER_STEP)
            return part in text
        long_text = text.ljust(max(_LINEAR_SEARCH_LENGTH, 4 * len(part)))
        self.count_steps(1 + len(long_text) // _CHARACTERS_PER_STEP)
        return 0 <= long_text.find(part) <= len(text) - len(part)
