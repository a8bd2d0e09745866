"""The check of commit subjects, on strings and on temporary repositories."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.ci.scripts import load_script

commits = load_script("check_commits")


@pytest.mark.parametrize(
    "subject",
    [
        "journal: bound the size of a body",
        "state: name the audience view",
        "tests/ci: process each subject",
        "pyproject.toml: alias the extras",
        "docs: feed the reader one idea at a time",
        "x: " + "a" * 69,
    ],
)
def test_a_subject_in_the_agreed_form_has_no_problem(subject: str) -> None:
    assert commits.problems(subject) == []


@pytest.mark.parametrize(
    ("subject", "problem"),
    [
        ("x: " + "a" * 70, "73 characters"),
        ("Bound the size of a body", "no area"),
        ("Journal: bound the size of a body", "no area"),
        ("journal:bound the size of a body", "no area"),
        ("journal: ", "no area"),
        ("journal: bound the size; count bodies", "more than one clause"),
        ("journal: bound the size.", "full stop"),
        ("journal: the size is bounded", "`the` is not an imperative"),
        ("journal: bounds the size", "`bounds` is not an imperative"),
        ("journal: bounded the size", "`bounded` is not an imperative"),
        ("journal: bounding the size", "`bounding` is not an imperative"),
    ],
)
def test_a_subject_in_another_form_has_one_problem(subject: str, problem: str) -> None:
    (found,) = commits.problems(subject)
    assert problem in found


Git = Callable[..., str]


@pytest.fixture
def git(tmp_path: Path) -> Git:
    """Runs git in a new repository with one commit."""
    repository = tmp_path / "repository"

    def run(*arguments: str) -> str:
        identity = ("-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false")
        command = ["git", "-C", str(repository), *identity, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    repository.mkdir()
    run("init", "--quiet", "--initial-branch=main")
    run("commit", "--quiet", "--allow-empty", "--message=Anything before.")
    return run


def test_commits_since_the_start_are_checked_without_a_tag(
    git: Git, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start = git("rev-parse", "HEAD")
    git("commit", "--quiet", "--allow-empty", "--message=state: name the view\n\nThe body says why; in full.")
    assert commits.main(tmp_path / "repository", start) == 0
    git("commit", "--quiet", "--allow-empty", "--message=Oops")

    assert commits.main(tmp_path / "repository", start) == 1

    assert capsys.readouterr().out.splitlines()[0] == git("rev-parse", "HEAD")[:10] + " Oops"


def test_commits_before_the_last_tag_are_not_checked(git: Git, tmp_path: Path) -> None:
    start = git("rev-parse", "HEAD")
    git("commit", "--quiet", "--allow-empty", "--message=Oops")
    git("tag", "v1.0.0")
    git("commit", "--quiet", "--allow-empty", "--message=state: name the view")
    assert [subject for _, subject in commits.subjects(tmp_path / "repository", start)] == ["state: name the view"]


def test_merges_are_not_checked(git: Git, tmp_path: Path) -> None:
    start = git("rev-parse", "HEAD")
    git("switch", "--quiet", "--create", "side")
    git("commit", "--quiet", "--allow-empty", "--message=state: name the view")
    git("switch", "--quiet", "main")
    git("merge", "--quiet", "--no-ff", "--message=Merge the view.", "side")
    assert commits.main(tmp_path / "repository", start) == 0


def test_a_shallow_clone_is_checked_as_far_as_it_reaches(
    git: Git, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    git("commit", "--quiet", "--allow-empty", "--message=Too old to be in the clone.")
    git("commit", "--quiet", "--allow-empty", "--message=state: named the view")
    origin = (tmp_path / "repository").as_uri()
    subprocess.run(["git", "clone", "--quiet", "--depth=1", origin, str(tmp_path / "shallow")], check=True)

    assert commits.main(tmp_path / "shallow") == 1

    assert "`named` is not an imperative" in (output := capsys.readouterr().out)
    assert "Too old" not in output


def test_an_unknown_start_and_a_missing_clone_are_errors(
    git: Git, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert git("rev-parse", "HEAD")
    assert commits.main(tmp_path / "repository", "0" * 40) == 1
    assert commits.main(tmp_path / "absent") == 1
    assert capsys.readouterr().err.count("cannot check the subjects of commits: git ") == 2
