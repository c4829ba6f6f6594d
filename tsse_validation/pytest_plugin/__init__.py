"""The runbook's steps in pytest: options, order, recording and fixtures.

pytest loads this module wherever the package is installed, so it does nothing outside the suite. In a checkout it
loads `command_line`, which has the options; the runbook's `conftest.py` loads the rest. `tsse-validate run` loads
`command_line` itself.
"""

from pathlib import Path

import pytest

from tsse_validation.suite_home import checkout_around


def pytest_addoption(pluginmanager: pytest.PytestPluginManager) -> None:
    """Add the suite's options and hooks, in a checkout only."""
    if checkout_around(Path.cwd()) is not None:
        pluginmanager.import_plugin("tsse_validation.pytest_plugin.command_line")
