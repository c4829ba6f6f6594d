"""The start of a run: settings loaded and checked, folder and log made, before anything is contacted."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tsse_validation.domain.errors import LogError, SettingsError
from tsse_validation.domain.instants import utc_now
from tsse_validation.domain.replacement import Replacement
from tsse_validation.pytest_plugin.command_line import given_settings
from tsse_validation.pytest_plugin.parts import (
    hold_together,
    load_run_parts,
    only_shows,
    refusals,
    runs_the_runbook,
    shows_fixtures,
)
from tsse_validation.settings.definitions import Settings
from tsse_validation.settings.loading import LoadedSettings, load_settings
from tsse_validation.settings.places import hold_all_writable, places_in_the_lake
from tsse_validation.suite_home import RUN_COMMAND

if TYPE_CHECKING:
    from tsse_validation.steps.run import ValidationRun

RUN = pytest.StashKey["ValidationRun"]()
"""The run that a session makes."""
FAILURES = "failures"
"""The marker of the tests that break a stack."""


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Load the settings, refuse bad ones, and begin the run, before anything is contacted."""
    if not runs_the_runbook(config):
        return
    if only_shows(config):
        if shows_fixtures(config):
            load_run_parts(config)
        return
    hold_together(config)
    if refused := list(refusals(config)):
        raise pytest.UsageError("\n".join(refused))
    try:
        loaded = load_settings(given_to_run(config), Path.cwd())
        _keep_out_of_the_lake(config, loaded.settings)
    except SettingsError as error:
        raise pytest.UsageError(str(error)) from None
    if re.search(rf"(?<!not ){FAILURES}\b", config.option.markexpr or ""):
        refuse_failures_where_live(loaded)
    if not config.option.collectonly:
        _begin(config, loaded)


def _begin(config: pytest.Config, loaded: LoadedSettings) -> None:
    """Begin the run, and load the parts of the plugin that only a run needs."""
    from tsse_validation.report.model.document import TESTS_HTML
    from tsse_validation.runlog.records import Note
    from tsse_validation.steps.interrupts import interrupt_on_sigterm
    from tsse_validation.steps.run import begin_run
    from tsse_validation.steps.validated_stack import absent_capabilities

    try:
        program = RUN_COMMAND if config.pluginmanager.hasplugin(RUN_COMMAND) else "pytest"
        run = begin_run(loaded, absent_capabilities(loaded), program=program, markers=config.option.markexpr)
    except OSError as error:
        msg = f"--report-dir {loaded.settings.report_dir} cannot be written: {error.strerror}"
        raise pytest.UsageError(msg) from None
    except LogError as error:
        msg = f"--report-dir {loaded.settings.report_dir}: {error}"
        raise pytest.UsageError(msg) from None
    config.stash[RUN] = run
    load_run_parts(config)
    interrupt_on_sigterm()
    run.record(*(Note(text=text) for text in (*loaded.warnings, *loaded.found)))
    if config.getoption("htmlpath", "not loaded") is None:
        config.option.htmlpath = str(run.directory / TESTS_HTML)
        config.option.self_contained_html = True


def _keep_out_of_the_lake(config: pytest.Config, settings: Settings) -> None:
    """Raise SettingsError where pytest itself would write into the lake."""
    given = {"--html": "htmlpath", "--junitxml": "xmlpath", "--basetemp": "basetemp"}
    places = {name: Path(str(path)) for name, dest in given.items() if (path := config.getoption(dest, None))}
    if complaints := list(places_in_the_lake(settings, {**places, "pytest's root": config.rootpath})):
        raise SettingsError("\n".join(complaints))
    hold_all_writable(places)


def given_to_run(config: pytest.Config) -> dict[str, object]:
    """Return what the command line gives to a run, by the name of the setting."""
    given = given_settings(config.option)
    # pytest-base-url has an environment variable and an ini key of its own, too
    if base_url := config.getoption("base_url") or config.getini("base_url"):
        given["base_url"] = base_url
    return given


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Say what will be validated, and where the report will be."""
    run = config.stash.get(RUN, None)
    if run is None:
        return []
    from tsse_validation.report.model.document import REPORT_HTML

    target = run.settings.base_url or f"a stack of our own: {run.settings.stack} (no --base-url)"
    lines = [f"validating: {target}", f"report: {run.directory}/{REPORT_HTML}"]
    if run.settings.live:
        lines += [*run.loaded.found, f"starts there: {_what_is_started(run)}"]
        if not run.settings.skip_backfill or run.settings.heal_check:
            lines.append(f"replaces there: {_what_is_replaced(run.settings)}")
    return lines + [f"WARNING: {warning}" for warning in run.loaded.warnings]


def refuse_failures_where_live(loaded: LoadedSettings) -> None:
    """Raise pytest.UsageError where a live controller is named: failures are tried on none."""
    if loaded.settings.live:
        msg = (
            f"-m {FAILURES}: failures are tried on a stack of the run's own, never on a live controller: "
            f"leave out --base-url ({loaded.sources.get('base_url', 'where it is set')}), or the failures."
        )
        raise pytest.UsageError(msg)


def _what_is_started(run: "ValidationRun") -> str:
    """Say, before anything is contacted, which jobs of the runbook change the controller's lake."""
    settings = run.settings
    days = f"{settings.backfill_days} days (--backfill-days: {_source(run)})"
    by = ", by the runbook's own command (--helpers)" if settings.helpers else ""
    first = (
        "no backfill in step 4 (--skip-backfill)"
        if settings.skip_backfill
        else f"a backfill of {days} in step 4{by}"
    )
    repeated = f", one of {days} when rows differ (--heal-check)" if settings.heal_check else ""
    soak = f"; a soak of {settings.soak} after all steps (--soak)" if settings.soak else ""
    return f"{first}{repeated}; and jobs that look and count{soak}"


def _what_is_replaced(settings: Settings) -> str:
    """Say which dates the backfill takes the place of, as far as that is known before anything is contacted."""
    replaced = Replacement.expected(settings.backfill_days, utc_now(), None)
    guard = (
        "--accept-loss: also what it does not bring back"
        if settings.accept_loss
        else "none where rows would be lost"
    )
    return f"{replaced} ({guard})"


def _source(run: "ValidationRun") -> str:
    return run.loaded.sources.get("backfill_days", "the runbook's default")
