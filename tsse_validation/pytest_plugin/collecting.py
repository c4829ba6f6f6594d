"""`--collect-only`: a list of the runbook's checks waits for nothing that only a run needs."""

import sys

import pytest

from tsse_validation.pytest_plugin.parts import runs_the_runbook

_OF_HYPOTHESIS = "hypothesispytest"


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Let hypothesis's plugin go where nothing was drawn: to find that, it would import all of hypothesis.

    pytest asks every plugin for its last words right after this.
    """
    config = session.config
    drew = "hypothesis" in sys.modules
    if config.option.collectonly and not drew and runs_the_runbook(config):
        plugin = config.pluginmanager.get_plugin(_OF_HYPOTHESIS)
        if plugin is not None:
            config.pluginmanager.unregister(plugin)
