"""The runbook's steps in pytest: options, order, recording and fixtures.

pytest loads this module wherever the package is installed, so it does nothing outside the suite: `command_line`
brings the options, and the runbook's `conftest.py` all the rest. A start in a checkout is the suite's own; so is
`tsse-validate run`, which names `command_line` by itself.
"""

from pathlib import Path

import pytest

from tsse_validation.suite_home import checkout_around


def pytest_addoption(pluginmanager: pytest.PytestPluginManager) -> None:
    """Add the suite's options and hooks, in a checkout only."""
    if checkout_around(Path.cwd()) is not None:
        pluginmanager.import_plugin("tsse_validation.pytest_plugin.command_line")
