"""`--dry-run`: says what the run would start and what its backfill would replace, and ends before it begins."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tsse_validation.domain.errors import SettingsError
from tsse_validation.pytest_plugin.options import given_to_run
from tsse_validation.pytest_plugin.parts import runs_the_runbook
from tsse_validation.settings.definitions import Settings
from tsse_validation.settings.loading import load_settings


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
    from tsse_validation.steps.dry_running import calls_and_files

    for line in (*_what_is_started(settings), *calls_and_files(settings)):
        print(line)  # noqa: T201
    return pytest.ExitCode.OK


def _what_is_started(settings: Settings) -> Iterator[str]:
    if not settings.live:
        yield "dry run: a stack of our own would be started, backfilled and removed; no lake of yours is touched"
    elif settings.skip_backfill:
        yield "dry run: no backfill would be started (--skip-backfill); nothing would be replaced"
    else:
        from tsse_validation.steps.dry_running import dry_run_lines

        yield from dry_run_lines(settings)
