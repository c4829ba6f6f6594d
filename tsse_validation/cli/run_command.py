"""`tsse-validate run`: the whole runbook, from any directory."""

import os
from pathlib import Path

import pytest
import typer

from tsse_validation.settings.places import cache_directory
from tsse_validation.suite_home import CONFIG_NAME, RUN_COMMAND, RUNBOOK_DIR, runbook_home


class _WholeRunbook:
    """A pytest plugin that refuses test paths: a part of the runbook is chosen by marker or name."""

    __name__ = RUN_COMMAND
    """By which the run knows that this command has begun it."""

    def __init__(self, runbook: Path) -> None:
        self._runbook = str(runbook)

    @pytest.hookimpl(tryfirst=True)
    def pytest_cmdline_main(self, config: pytest.Config) -> None:
        """Raise pytest.UsageError for what is no option, before the run begins."""
        if strange := [argument for argument in config.args if argument != self._runbook]:
            msg = f"tsse-validate run takes options only, not {', '.join(strange)}: choose checks by -m or -k"
            raise pytest.UsageError(msg)


def run_runbook(context: typer.Context) -> None:
    """Run the whole runbook: it takes pytest's options and the suite's, see `tsse-validate run --help`."""
    home = runbook_home()
    runbook = home / RUNBOOK_DIR
    # the runbook has no bare assertion, and pytest would rewrite the whole library: at each start anew where it
    # may not keep what it has rewritten beside an installed package
    ours = ["-p", "tsse_validation.pytest_plugin.command_line", "-p", "no:cacheprovider", "--assert=plain"]
    places = ["-c", str(home / CONFIG_NAME), "--rootdir", str(home), "--confcutdir", str(home)]
    # else it leaves its notes in the current directory
    os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = str(cache_directory() / "hypothesis")
    raise typer.Exit(pytest.main([*ours, *places, *context.args, str(runbook)], plugins=[_WholeRunbook(runbook)]))
