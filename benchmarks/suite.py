"""Measures what a test costs: a suite as a team writes it, against this mock and others.

`python -m benchmarks.suite` runs a thousand tests from one and from eight processes. The journal is empty, or full of
the requests of other tests.

- 80 % of the tests send one list.
- 10 % retry a list that fails twice.
- 5 % upload, read and delete an audience.
- 5 % wait for requests.

Each has a new token, verifies its requests and resets its token. `--against FOLDER` adds the mock of another checkout,
with the `MockClient` of that checkout. No test asserts the figures.
"""

import argparse
import tempfile
from pathlib import Path

from benchmarks import suite_runs
from benchmarks.per_test_goals import suite_rows
from benchmarks.results import goal_table, suite_table
from benchmarks.servers import become_load_generator, fetch_list, ours, started
from benchmarks.suite_tests import UNIT


def parse_count(text: str) -> int:
    """Parse a number of tests."""
    count = int(text) if text.isdecimal() else 0
    if count == 0 or count % UNIT:
        raise argparse.ArgumentTypeError(f"{text} is not a multiple of {UNIT}, such as {UNIT} or {10 * UNIT}")
    return count


def main() -> None:
    """Measure, and print the figures and the goals."""
    parser = argparse.ArgumentParser(description="Measure what a test of a suite costs.")
    parser.add_argument("--quick", action="store_true", help="only check that it runs, without WireMock")
    parser.add_argument("--rounds", type=int, metavar="N", help="measure each setting N times")
    parser.add_argument(
        "--tests", type=parse_count, metavar="N", help=f"run N tests, a multiple of {UNIT}, instead of a thousand"
    )
    parser.add_argument(
        "--against", type=Path, action="append", default=[], metavar="FOLDER", help="measure another checkout beside"
    )
    arguments = parser.parse_args()
    become_load_generator()
    plan = suite_runs.QUICK if arguments.quick else suite_runs.FULL
    plan = plan._replace(rounds=arguments.rounds or plan.rounds, tests=arguments.tests or plan.tests)
    with tempfile.TemporaryDirectory() as folder:
        with started(ours()) as server:
            content = fetch_list(server.port)
        checkouts = [checkout.resolve() for checkout in arguments.against]
        tested, skipped = suite_runs.suite_servers(Path(folder), content, checkouts, with_others=not arguments.quick)
        found = suite_runs.measure(tested, content, plan)
    for name, reason in skipped.items():
        print(f"{name} was not measured: {reason}\n")
    print("\n".join([*suite_table(found), *goal_table(suite_rows(found))]), end="")


if __name__ == "__main__":
    main()
