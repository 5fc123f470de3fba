import pytest

from tests.fuzz.judging import install


@pytest.fixture(scope="session", autouse=True)
def _watched():
    """What is touched outside of a folder is noted from now on, while `judging.fault` runs."""
    install()
