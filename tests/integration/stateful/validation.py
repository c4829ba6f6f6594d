"""The runbook's own checks, called as functions on a farm, and the verdict on what they say."""

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from fixtures.controller.parity import check_parity, read_request
from tests.integration.engine.farm import Farm
from tests.support.builders import finished, good_run, inspection
from tests_validation import test_5_watermark as step_5
from tests_validation import test_6_parity as step_6
from tsse_validation.clients.watch import ControllerClock, ReplicationWatch
from tsse_validation.domain.contract import ParityResult, Replication
from tsse_validation.domain.coverage import Scope
from tsse_validation.domain.errors import SuiteError
from tsse_validation.domain.instants import format_rfc3339
from tsse_validation.domain.windows import Window
from tsse_validation.parity.by_job import SpotCheck
from tsse_validation.parity.comparing import sum_by_sensor
from tsse_validation.parity.settling import Explained
from tsse_validation.parity.whole_range import RangeCount
from tsse_validation.pytest_plugin.recording import _meaning
from tsse_validation.runlog.log import RunLog
from tsse_validation.runlog.records import (
    CheckFinished,
    CheckStatus,
    CountRow,
    CountsTaken,
    Finding,
    Record,
    RowsCompared,
)
from tsse_validation.runlog.redaction import Redactor
from tsse_validation.runlog.result import RunResult
from tsse_validation.settings.loading import load_settings
from tsse_validation.steps.progress import ProgressReporter
from tsse_validation.steps.run import Check, Facts, ValidationRun
from tsse_validation.steps.spot_checking import OurReading
from tsse_validation.steps.undisturbed import Undisturbed
from tsse_validation.verdict import Verdict, decide

_TAKEN_FROM_A_GOOD_RUN = (CountsTaken, RowsCompared)
"""Evidence that is our own here; what is left speaks of steps that need the API."""


@dataclass
class _Run(ValidationRun):
    records: list[Record] = field(default_factory=list)

    def record(self, *records: Record) -> None:
        self.records += records


@dataclass(frozen=True)
class Validation:
    """What the checks have found, by the name of each, and the verdict."""

    statuses: dict[str, CheckStatus]
    messages: dict[str, str]
    result: RunResult
    verdict: Verdict
    days: list[CountRow]

    @property
    def flagged(self) -> set[str]:
        return {finding.diagnosis for finding in self.result.findings if finding.flagged}


class Validator:
    """Validates one farm again and again; every check has the watermark of the time before to look back at."""

    def __init__(self, farm: Farm, directory: Path) -> None:
        self._farm = farm
        self._loaded = load_settings({"shards": farm.shards}, directory, for_run=False)
        self._redactor = Redactor([])
        self._directory = directory
        self._log = RunLog(directory / "run.jsonl", self._redactor)
        self._before: Replication | None = None

    def close(self) -> None:
        self._log.close()

    def validate(self) -> Validation:
        farm = self._farm
        run = _Run(self._loaded, self._redactor, self._directory, self._log, {})
        coverage, proof = farm.coverage(), farm.proof()
        covered = farm.covered()
        scope = Scope(covered, coverage)
        days = proof.compare_sensor_days(scope)
        run.record(CountsTaken(source="direct", window=covered, watermark=coverage.watermark, rows=tuple(days)))
        sensors = sum_by_sensor(days, sorted({row.sensor_id for row in days}))
        state = farm.reader.replication()
        facts = Facts(
            inspection_before=inspection(state=self._before or state),
            inspection_after=inspection(state=state),
            job_parity=self._job(covered),
        )
        self._before = state
        watch = ReplicationWatch(farm.reader.replication, pause=0)
        clock = ControllerClock(None, farm.clock)
        undisturbed = Undisturbed(farm.reader, lambda: coverage.backfill_to, list)
        progress = ProgressReporter(Console(file=io.StringIO()))
        checks: dict[str, Callable[[Check], None]] = {
            "watermark_is_set_and_not_in_the_future": lambda check: (
                step_5.test_watermark_is_set_and_not_in_the_future(watch, clock, check)
            ),
            "watermark_never_retreats": lambda check: step_5.test_watermark_never_retreats(facts, watch, check),
            "dates_with_rows_have_partitions_and_no_others": lambda check: (
                step_5.test_dates_with_rows_have_partitions_and_no_others(
                    farm.client, farm.reader, scope, undisturbed, check
                )
            ),
            "no_temporary_file_is_left": lambda check: step_5.test_no_temporary_file_is_left(farm.reader, check),
            "parity_job_counts_as_we_do": lambda check: step_6.test_parity_job_counts_as_we_do(
                OurReading(proof, lambda _windows: days), facts, check
            ),
            "counts_agree_for_every_sensor": lambda check: step_6.test_counts_agree_for_every_sensor(
                days, sensors, check
            ),
            "counts_agree_for_every_sensor_and_day": lambda check: (
                step_6.test_counts_agree_for_every_sensor_and_day(proof, days, check)
            ),
            "every_due_row_is_in_the_lake_unchanged": lambda check: (
                step_6.test_every_due_row_is_in_the_lake_unchanged(
                    run, proof, scope, days, _no_heal, progress, check
                )
            ),
        }
        try:
            ended = {name: _ended(name, check, run) for name, check in checks.items()}
        finally:
            run.differences.close()
        result = RunResult.from_records([*_the_rest_is_good(ended), *run.records, *ended.values()])
        return Validation(
            {name: check.status for name, check in ended.items()},
            {name: check.message for name, check in ended.items()},
            result,
            decide(result),
            days,
        )

    def _job(self, window: Window) -> RangeCount | None:
        """Count by the controller's own job; it wants an end after the start."""
        if window.start == window.end:
            return None
        service = self._farm.service
        params = {
            "start": format_rfc3339(window.start),
            "end": format_rfc3339(window.end),
            "sensor_ids": self._farm.known_sensors(),
        }
        found = check_parity(service.database, service.lake, service.states, read_request(params))
        return RangeCount.of_one_window(SpotCheck(ParityResult.model_validate(found), Explained()), posts=1)


def _ended(name: str, check: Callable[[Check], None], run: ValidationRun) -> CheckFinished:
    try:
        check(Check(run))
    except SuiteError as error:
        status, message, _advice = _meaning(error)
        return finished(f"test_{name}", status, message)
    return finished(f"test_{name}")


def _the_rest_is_good(ended: dict[str, CheckFinished]) -> list[Record]:
    keys = {check.key for check in ended.values()}
    return [
        record
        for record in good_run()
        if not isinstance(record, _TAKEN_FROM_A_GOOD_RUN)
        and not (isinstance(record, CheckFinished) and record.key in keys)
    ]


def _no_heal() -> Finding:
    raise AssertionError("nobody asked for a heal check")


def counted(proof_rows: list[CountRow]) -> dict[str, tuple[int, int, int]]:
    return {
        row.sensor_id: (row.postgres, row.lake, row.not_due)
        for row in sum_by_sensor(proof_rows, {row.sensor_id for row in proof_rows})
    }
