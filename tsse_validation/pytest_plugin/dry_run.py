"""`--dry-run`: says what the run would start and what its backfill would replace, and ends before it begins."""

from pathlib import Path

import pytest

from tsse_validation.domain.errors import SettingsError
from tsse_validation.pytest_plugin.options import given_to_run
from tsse_validation.pytest_plugin.parts import runs_the_runbook
from tsse_validation.settings.loading import load_settings
from tsse_validation.steps.dry_running import dry_run_lines


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """Print it and exit with 0; there is no run, no report and no verdict."""
    if not runs_the_runbook(config):
        return None
    try:
        settings = load_settings(given_to_run(config), Path.cwd()).settings
    except SettingsError:  # told where the run begins
        return None
    if not settings.dry_run:
        return None
    if not settings.live:
        print("dry run: a stack of our own would be started, backfilled and removed; no lake of yours is touched")  # noqa: T201
        return pytest.ExitCode.OK
    if settings.skip_backfill:
        print("dry run: no backfill would be started (--skip-backfill); nothing would be replaced")  # noqa: T201
        return pytest.ExitCode.OK
    for line in dry_run_lines(settings):
        print(line)  # noqa: T201
    return pytest.ExitCode.OK
