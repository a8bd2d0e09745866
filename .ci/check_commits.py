"""Check the subjects of the commits since the last tag: `area: imperative summary`, in one clause.

usage: python .ci/check_commits.py

Prints each commit whose subject breaks a rule, with the rule; exits with 1 if there is one. Merges are skipped.
"""

import re
import subprocess
import sys
from pathlib import Path

START = "f06e4633512e95a18ad6421c25915f5aca02541e"
"""The last commit before this form was agreed on. Earlier subjects stay, since history is not rewritten.

The check starts here as long as there is no tag."""
START_TIME = "2026-11-26T00:30:25+00:00"
"""When that commit was made: in a shallow clone, newer commits are checked, as far as the clone has them."""
MAX_LENGTH = 72
AREA = re.compile(r"[a-z0-9][a-z0-9._/-]*: (?=\S)")
NO_VERB = re.compile(
    "a|all|an|and|any|as|both|but|each|every|for|from|how|if|in|it|its|no|none|not|nothing|of|on|one|only|or|our|that|"
    "the|there|these|they|this|those|to|what|when|where|whether|which|who|whose|why|with"
)
OTHER_FORM = re.compile(r"(?!alias|bias|canvas)\w+[^\Wsu]s|(?!embed|shred)\w{3,}(?<!e)ed|(?!spring|string)\w{3,}ing")
"""Forms such as `adds`, `added` and `adding`; verbs that only look like one are left out."""


class HistoryError(Exception):
    """The commits cannot be listed."""


def problems(subject: str) -> list[str]:
    """Return the rules that a commit's subject breaks."""
    found = []
    if len(subject) > MAX_LENGTH:
        found.append(f"{len(subject)} characters: write at most {MAX_LENGTH}")
    area = AREA.match(subject)
    if not area:
        found.append("no area: start with a lower-case area, a colon and a space, such as `journal: `")
    words = (subject[area.end() :] if area else subject).split()
    verb = words[0].lower() if words else ""
    if NO_VERB.fullmatch(verb) or OTHER_FORM.fullmatch(verb):
        found.append(f"`{verb}` is not an imperative: write what the commit does, such as `add …` or `fix …`")
    if ";" in subject:
        found.append("more than one clause: remove `;`")
    if subject.endswith("."):
        found.append("remove the full stop at the end")
    return found


def _git(directory: Path, *arguments: str) -> str:
    command = ["git", "-C", str(directory), *arguments]
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError) as error:
        reason = getattr(error, "stderr", "") or error
        raise HistoryError(f"git {' '.join(arguments)}: {str(reason).strip()}") from error


def subjects(directory: Path, start: str = START) -> list[tuple[str, str]]:
    """Return hash and subject of the commits to check, without merges, newest first.

    Args:
        directory: a clone.
        start: the commit after which to begin if there is no tag.

    Raises:
        HistoryError: the directory is no clone, or its history lacks the commit to begin after.
    """
    if _git(directory, "rev-parse", "--is-shallow-repository") == "true":
        revisions = ["HEAD", f"--since={START_TIME}"]
    else:
        tags = _git(directory, "tag", "--merged", "HEAD", "--sort=-creatordate").split()
        revisions = [f"{tags[0] if tags else start}..HEAD"]
    log = _git(directory, "log", "--no-merges", "--format=%H %s", *revisions)
    return [line.partition(" ")[::2] for line in log.splitlines()]


def main(directory: Path, start: str = START) -> int:
    """Check the commits of the clone at `directory`; print the findings and return the exit code."""
    try:
        found = [
            (commit, subject, problem)
            for commit, subject in subjects(directory, start)
            for problem in problems(subject)
        ]
    except HistoryError as error:
        print(f"cannot check the subjects of commits: {error}", file=sys.stderr)
        return 1
    for commit, subject, problem in found:
        print(f"{commit[:10]} {subject}\n    {problem}")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main(Path(__file__).resolve().parent))
