"""Settings that all tests share."""

import gc
import os
import signal
from pathlib import Path

import pytest
from fastapi.dependencies import models
from hypothesis import settings

settings.register_profile("quick", max_examples=100, deadline=None, derandomize=True, database=None)
settings.register_profile("long", max_examples=3000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))

CACHES = [each for each in vars(models).values() if hasattr(each, "cache_clear")]
"""FastAPI's, which keep the last thousand applications: a heap on which collecting takes a second."""


def pytest_addoption(parser):
    parser.addoption("--none-skipped", action="store_true", help="Fail if a test is skipped, for want of Redis or so.")


def pytest_configure(config):
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's `&` had it ignored, by servers begun here too
    # An error in garbage is formatted at once; should that happen while Python 3.11 parses, the parsing fails.
    config.addinivalue_line("filterwarnings", "ignore::ResourceWarning")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config):
    """How many processes run whole folders: more than processors, as many tests wait. Less is quicker in this one."""
    return (os.cpu_count() or 1) + 1 if all(Path(each).is_dir() for each in config.args) else 0


def pytest_collection_finish():
    gc.collect()
    gc.freeze()


def pytest_runtest_teardown():
    for cache in CACHES:
        cache.cache_clear()


def pytest_sessionfinish(session):
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")  # none in xdist's workers, who report to it
    skipped = reporter.stats.get("skipped") if reporter else None
    if session.config.getoption("--none-skipped") and skipped:
        reporter.ensure_newline()
        reporter.write_line(f"skipped, which must not be: {', '.join(report.nodeid for report in skipped)}")
        session.exitstatus = 1
