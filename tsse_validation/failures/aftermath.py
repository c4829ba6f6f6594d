"""Proves an arena's lake by our own reading: every due row once, in the covered range and beyond."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from tsse_validation.clients.postgres import PostgresClient
from tsse_validation.diagnosis.drill_down import drill_down
from tsse_validation.diagnosis.row_triage import RowTriage
from tsse_validation.domain.coverage import Coverage, Scope
from tsse_validation.domain.errors import NotCheckedError, PromiseBrokenError
from tsse_validation.domain.instants import MICROSECOND, day_start, utc_day
from tsse_validation.domain.stack import LakePaths
from tsse_validation.domain.windows import Window
from tsse_validation.lake.reader import LakeReader
from tsse_validation.parity.beyond import OuterReader, compare_promised
from tsse_validation.parity.direct import DirectProof
from tsse_validation.runlog.failure_records import FailureDiagnosis
from tsse_validation.runlog.records import CountRow, Finding
from tsse_validation.settings.fields import Level


@dataclass(frozen=True)
class Proven:
    """What a proof has found: how many rows were due, how many differ and on which dates, and what that means.

    `compared` are the dates of which every row was compared that the lake promises.
    """

    coverage: Coverage
    rows: int
    differing: int = 0
    days: frozenset[date] = frozenset()
    compared: frozenset[date] = frozenset()
    diagnoses: tuple[FailureDiagnosis, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether every due row is in the lake once, as it is in Postgres."""
        return not self.differing and not self.days and not self.diagnoses

    @property
    def told(self) -> str:
        """What differs, in words: the diagnoses, each with its rows."""
        return "; ".join(f"{one.diagnosis}: {one.summary}" for one in self.diagnoses)


def prove(postgres: PostgresClient, paths: LakePaths, earlier: Coverage | None = None) -> Proven:
    """Compare every row that the lake promises now, or promised in `earlier`, before the failure.

    Raises:
        PromiseBrokenError: the lake's state promises less than before.
        SuiteError: Postgres or the lake cannot be read.
    """
    lake = LakeReader(paths)
    coverage = hold_promise(lake, earlier)
    proof = DirectProof(postgres, lake)
    found: list[tuple[Scope, Sequence[CountRow]]] = [
        (scope, proof.compare_sensor_days(scope)) for scope in scopes_of(coverage, earlier)
    ]
    compared = frozenset(day for scope, _ in found for day in scope.window.days())
    reader = OuterReader(postgres)
    first = reader.look_outside(coverage, counted=False).first or coverage.backfill_from
    since = min(first, coverage.backfill_from)
    found += compare_promised(proof, reader, coverage, earlier, since, Level.DIGEST)
    return _judged(proof, coverage, found, compared, paths.shards)


def hold_promise(lake: LakeReader, earlier: Coverage | None) -> Coverage:
    """Return what the lake promises; raises PromiseBrokenError where it had promised more."""
    try:
        coverage = Coverage.promised_by(lake.replication())
    except NotCheckedError as error:
        if earlier is None:
            raise
        msg = "The lake's state has lost its backfill: it promises nothing any more."
        raise PromiseBrokenError(msg, error.advice) from error
    if earlier is not None and coverage.watermark < earlier.watermark:
        msg = f"The watermark went back, from {earlier.watermark} to {coverage.watermark}."
        raise PromiseBrokenError(
            msg, "Rows that it spoke for may be read twice, or never: look at the state file."
        )
    if earlier is not None and coverage.backfill_to < earlier.backfill_to:
        msg = f"The state tells of an older backfill than before, up to {coverage.backfill_to}."
        raise PromiseBrokenError(msg, "Look at replication.json in the lake's _state directory.")
    return coverage


def scopes_of(coverage: Coverage, earlier: Coverage | None) -> list[Scope]:
    """Return what is compared whole: the covered range, and what of an earlier one a later backfill left alone.

    A backfill takes all of its first date that lies before its start (contract section 3).
    """
    scopes = [Scope.covered_by(coverage)]
    if earlier is None or not earlier.backfill_from < coverage.backfill_from:
        return scopes
    end = day_start(utc_day(coverage.backfill_from)) - MICROSECOND
    if earlier.backfill_from <= end:
        kept = replace(coverage, backfill_from=earlier.backfill_from)
        scopes.append(Scope(Window(earlier.backfill_from, end), kept))
    return scopes


def _judged(
    proof: DirectProof,
    coverage: Coverage,
    found: Sequence[tuple[Scope, Sequence[CountRow]]],
    compared: frozenset[date],
    shards: int,
) -> Proven:
    """Read the rows of what differs, and say what they mean."""
    triage = RowTriage(shards, most_shown=0)
    findings: Sequence[Finding] = ()
    for scope, rows in found:
        # the triage gathers: its last word is of all
        findings = drill_down(proof, scope, rows, Level.DIGEST, triage).findings
    return Proven(
        coverage=coverage,
        rows=sum(row.postgres for _, rows in found for row in rows),
        differing=triage.differing,
        days=frozenset(row.day for _, rows in found for row in rows if not row.matches and row.day is not None),
        compared=compared,
        diagnoses=tuple(
            FailureDiagnosis(finding.diagnosis, finding.summary, finding.rows) for finding in findings
        ),
    )
