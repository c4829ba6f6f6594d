"""Wires the runbook's parts into pytest; each part is in its own module, and the last one lends the test bed.

The options come first: where pytest was started elsewhere, nothing has loaded them yet.
"""

import pytest

from tsse_validation.pytest_plugin.parts import PARTS, hold_together

pytest_plugins = [*PARTS, "fixtures.plugin"]


def pytest_configure(config: pytest.Config) -> None:
    """Refuse a run that lacks a part."""
    hold_together(config)
