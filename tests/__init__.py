"""The tests, which share helpers whose failing assertions pytest explains."""

import pytest

pytest.register_assert_rewrite("tests.faults")
