"""A controller that does whatever the contract allows is GO: what is legal must never be taken for a fault."""

import re
from pathlib import Path

import pytest

from fixtures.controller.variations import VARIATIONS, Variation
from tests.support.binaries import controller_binary
from tests.support.command import EXIT_GO, EXIT_INCOMPLETE, PATIENCE_SECONDS, QUICK, Run, Runbook
from tests.support.controller import Controller, traffic
from tsse_validation.domain.catalogue import CHECKS
from tsse_validation.domain.outcome import Outcome
from tsse_validation.domain.polling import wait_until
from tsse_validation.runlog.records import CheckStatus

SMALL = ("--farm-rows=1500", "--farm-sensors=6", *QUICK)

GROUPS = {
    "nanoseconds": (Variation.NANOSECONDS, Variation.EXTRA_KEYS, Variation.BARE_DATES),
    "milliseconds": (Variation.MILLISECONDS, Variation.NULL_STATE, Variation.MQTT_WARNINGS),
    "whole-seconds": (Variation.WHOLE_SECONDS, Variation.ABSENT_KEYS, Variation.FEW_EVENTS),
    "all-at-once": tuple(set(VARIATIONS) - {Variation.MILLISECONDS, Variation.WHOLE_SECONDS}),
}
"""Variations that go together: a run for each would take minutes and find no more."""

QUIET_DAYS = """
import os, psycopg
with psycopg.connect(os.environ["CORE_DATABASE_URL"]) as connection:
    deleted = connection.execute("DELETE FROM metrics WHERE ts >= now() - interval '40 days'"
                                 " AND ts < now() - interval '36 days'")
    print(deleted.rowcount, "rows deleted", flush=True)
"""
"""Whole days without a row in Postgres: they have no partition, or are named by the manifest and have no file."""


def options(group: tuple[Variation, ...]) -> list[str]:
    """Return what switches variations on."""
    return [word for variation in group for word in ("--vary", str(variation))]


def varied(runbook: Runbook, directory: Path, group: tuple[Variation, ...], *arguments: str) -> Run:
    """Run the runbook against a controller with some variations, on a farm with quiet days."""
    binary = controller_binary(directory, f"{QUIET_DAYS}\nsys.argv += {options(group)}")
    return runbook(*SMALL, f"--core-binary={binary}", *arguments)


def test_every_variation_is_tried() -> None:
    assert {variation for group in GROUPS.values() for variation in group} == set(Variation) == set(VARIATIONS)


@pytest.mark.parametrize("name", GROUPS)
def test_what_the_contract_allows_is_go_and_raises_no_alarm(name: str, runbook: Runbook, tmp_path: Path) -> None:
    run = varied(runbook, tmp_path, GROUPS[name])
    assert (run.code, run.verdict.outcome) == (EXIT_GO, Outcome.GO), run
    assert {check.key for check in run.result.checks if check.status is CheckStatus.PASSED} == set(CHECKS)
    assert not run.red
    assert not run.findings(flagged=True)
    assert not [warning for check in run.result.checks for warning in check.warnings]
    log = (run.directory / "logs" / "controller.log").read_text()
    assert re.search(r"^[1-9]\d* rows deleted$", log, re.MULTILINE)
    assert ("mqtt" in log) is (Variation.MQTT_WARNINGS in GROUPS[name])


def test_by_the_api_alone_late_rows_are_explained_though_job_times_have_no_fraction(
    runbook: Runbook, controller: Controller
) -> None:
    controller.restore("fixtures.controller", *options(GROUPS["whole-seconds"]))
    with traffic(controller, history_days=0.9, upserts=False):
        started = runbook.start(*controller.by_api(), *QUICK, "--require=counts")
        wait_until(lambda: controller.parity_jobs > 0, seconds=PATIENCE_SECONDS)
    run = started.end()
    assert run.is_go_with_nothing_flagged, run


def test_a_lake_that_only_the_first_pass_has_filled_is_incomplete_and_no_fault(
    runbook: Runbook, tmp_path: Path
) -> None:
    run = varied(runbook, tmp_path, (), "--skip-backfill")
    assert (run.code, run.verdict.outcome) == (EXIT_INCOMPLETE, Outcome.INCOMPLETE), run
    assert not [check for check in run.result.checks if check.status is CheckStatus.FAILED], run
    assert not run.findings(flagged=True)
