"""A bound on the work that one request pattern causes."""

from mock_atoms.core.parsing import ConfigError

MAX_PATTERN_STEPS = 25_000
"""Maximum number of steps to parse a pattern, and to compare it with one request. A step takes about a microsecond."""

STEPS_PER_PAUSE = 250
"""Number of steps after which a scan of exchanges may pause."""


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
