"""Builds the image for all tests of this folder."""

import pytest

from tests.container.engine import IMAGE, docker


@pytest.fixture(scope="session", autouse=True)
def _image() -> None:
    docker("build", "--tag", IMAGE, ".")
