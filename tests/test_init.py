import logging
import subprocess
import sys

import pytest

import mock_atoms


def test_importing_the_package_alone_is_light() -> None:
    code = "import sys, mock_atoms; print(any(name in sys.modules for name in ('fastapi', 'pydantic', 'faker')))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_the_package_has_no_other_names() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        mock_atoms.nothing  # noqa: B018 - the access is the test
    assert logging.getLogger("mock_atoms").handlers == []


def test_all_names_can_be_imported_without_the_extras() -> None:
    code = "import sys; sys.modules['testcontainers'] = None\nfrom mock_atoms import *\nprint(MockServer.__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "MockServer\n"


def test_the_container_can_be_imported_with_its_extra() -> None:
    assert mock_atoms.MockAtomsContainer.__module__ == "mock_atoms.testing.container"


def test_every_exported_name_is_there() -> None:
    assert [name for name in mock_atoms.__all__ if not hasattr(mock_atoms, name)] == []
