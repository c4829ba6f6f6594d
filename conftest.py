"""Wires the runbook's parts into pytest, each in its own module, and lends a run the test bed.

The options come first: where pytest was started elsewhere, nothing has loaded them yet.
"""

import pytest

from tsse_validation.pytest_plugin.parts import PARTS, hold_together

pytest_plugins = PARTS


def pytest_configure(config: pytest.Config) -> None:
    """Refuse a run that lacks a part, and lend the test bed where one has begun."""
    from tsse_validation.pytest_plugin.options import RUN  # pytest has loaded it as a plugin by now

    hold_together(config)
    if RUN in config.stash:
        config.pluginmanager.import_plugin("fixtures.plugin")
