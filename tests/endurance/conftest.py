"""Settings for experiments that make many calls fail."""

import logging

import pytest


@pytest.fixture(autouse=True)
def _quiet(caplog):
    """Nothing is logged: tens of thousands of failures would all be kept."""
    for name in ("dragoman", "uvicorn.error"):
        caplog.set_level(logging.CRITICAL + 1, name)
