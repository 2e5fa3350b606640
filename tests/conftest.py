"""Options and fixtures for every room; those that load torch are in tests/learning."""

import gc
import os
import signal

import pytest
from hypothesis import settings

from tests.fixtures.scenario_files import files

__all__ = ["files"]

# a shared machine may pause in the middle of an example
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.register_profile("search", deadline=None, max_examples=1500)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))


def pytest_addoption(parser):
    parser.addoption("--update-golden", action="store_true", help="rewrite the golden traces")


def pytest_configure():
    """Let programs that tests start hear Ctrl-C, which a job in the background ignores."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection():
    gc.disable()


def pytest_collection_finish():
    """Let no garbage collection look at what stays to the end: the libraries and the tests."""
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(items):
    """Files with slow tests come first, so that no worker ends alone with one."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture
def update_golden(request):
    return request.config.getoption("--update-golden")
