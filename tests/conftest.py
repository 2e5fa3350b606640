"""Options and fixtures for every room; those that load torch are in tests/learning."""

import pytest

from tests.fixtures.scenario_files import files

__all__ = ["files"]


def pytest_addoption(parser):
    parser.addoption("--update-golden", action="store_true", help="rewrite the golden traces")


@pytest.fixture
def update_golden(request):
    return request.config.getoption("--update-golden")
