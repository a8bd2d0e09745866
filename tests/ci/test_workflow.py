"""The workflow for GitHub fits its schema and runs what `.ci/run` runs."""

import re
import subprocess
import sys
from typing import Any

import pytest
import yaml

from tests.helpers.snippets import ROOT

WORKFLOW = ROOT / ".github" / "workflows" / "ci.yml"


def workflow_job() -> dict[str, Any]:
    (job,) = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))["jobs"].values()
    assert isinstance(job, dict)
    return job


@pytest.mark.parametrize(
    ("schema", "file"),
    [("vendor.github-workflows", WORKFLOW), ("vendor.dependabot", ROOT / ".github" / "dependabot.yml")],
)
def test_the_files_for_github_fit_their_schemas(schema: str, file: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, file],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_workflow_runs_all_steps_of_ci_but_the_one_that_needs_the_vendors_documents() -> None:
    found = re.search(r"^steps=\((.*)\)$", (ROOT / ".ci" / "run").read_text(encoding="utf-8"), re.MULTILINE)
    assert found
    assert ["tools", *workflow_job()["strategy"]["matrix"]["steps"]] == [
        step for step in found[1].split() if step != "contract"
    ]
    assert workflow_job()["steps"][-1]["run"] == ".ci/run tools ${{ matrix.steps }}"


def test_the_workflow_has_the_history_and_both_pythons() -> None:
    checkout, python, *_ = workflow_job()["steps"]
    assert checkout["with"]["fetch-depth"] == 0
    assert python["with"]["python-version"].split() == ["3.13", "3.11"]


def test_an_unknown_step_of_ci_is_an_error_that_lists_the_steps() -> None:
    done = subprocess.run([ROOT / ".ci" / "run", "chekc"], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("chekc is no step; the steps are: tools check ")
