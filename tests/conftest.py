"""Settings that all tests share."""

import os

from hypothesis import settings

settings.register_profile("quick", max_examples=100, deadline=None, derandomize=True, database=None)
settings.register_profile("long", max_examples=3000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


def pytest_addoption(parser):
    parser.addoption("--none-skipped", action="store_true", help="Fail if a test is skipped, for want of Redis or so.")


def pytest_sessionfinish(session):
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if session.config.getoption("--none-skipped") and (skipped := reporter.stats.get("skipped")):
        reporter.write_line(f"skipped, which must not be: {', '.join(report.nodeid for report in skipped)}")
        session.exitstatus = 1
