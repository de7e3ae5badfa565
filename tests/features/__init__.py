"""What each surface can do, on a backend that can do it and on one that only knows text."""

import pytest

pytest.register_assert_rewrite("tests.features.checks")
