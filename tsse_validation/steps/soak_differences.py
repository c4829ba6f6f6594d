"""Tells of the rows that differ in a soak, each once: later slices meet them again."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import date

import pyarrow as pa

from tsse_validation.diagnosis import beyond_triage
from tsse_validation.diagnosis.file_triage import unreadable_files
from tsse_validation.diagnosis.kept_rows import KeptRows
from tsse_validation.diagnosis.row_triage import RowTriage
from tsse_validation.domain.coverage import Scope
from tsse_validation.domain.errors import SuiteError
from tsse_validation.domain.instants import format_rfc3339
from tsse_validation.lake.reader import LakeFile
from tsse_validation.parity.comparing import (
    DIFFERENCE_KEY,
    DayComparison,
    keys_of_differences,
    without_differences,
)
from tsse_validation.runlog.records import Finding
from tsse_validation.steps.proving import MOST_ROWS_SHOWN
from tsse_validation.steps.run import ValidationRun
from tsse_validation.steps.soak_looking import Look

MOST_FINDINGS = 50
"""Findings of one diagnosis that a soak records: a fault that goes on for days would fill the log."""
_OR_LATE = {"rows missing": ": a pass has lost them, or their transaction was committed after it"}
MOST_REMEMBERED = 2_000_000
"""Differing rows that are remembered; of more than that some may be told twice."""


class _Known:
    """Differing rows that were met before."""

    def __init__(self) -> None:
        self.rows = 0
        self._keys = DIFFERENCE_KEY.empty_table()

    def take(self, comparison: DayComparison) -> DayComparison:
        """Return what of a comparison was not met before, and remember it."""
        new = without_differences(comparison, self._keys)
        self.rows += new.differences.num_rows
        if self._keys.num_rows < MOST_REMEMBERED:
            self._keys = pa.concat_tables([self._keys, keys_of_differences(new)])
        return new


NothingGone = Callable[[Look, Scope], frozenset[str]]
"""Returns the sensors of which the lake holds as many rows of a scope's day as slices had found there."""


class SoakDifferences:
    """The differing rows of one soak: all in the run's files of differences, the first of them in its log."""

    def __init__(self, run: ValidationRun) -> None:
        self._run = run
        self._known = _Known()
        self._counted: dict[str, _Known] = defaultdict(_Known)
        self._torn = set[LakeFile]()
        self._shown = 0
        self._recorded: Counter[str] = Counter()

    @property
    def diagnoses(self) -> Sequence[str]:
        """The diagnoses of the findings so far."""
        return tuple(self._recorded)

    def tell(self, kind: str, look: Look, nothing_gone: NothingGone) -> int:
        """Read the rows of the sensor-days that differ, and record those not told yet.

        Returns how many differ that no slice of its kind has counted before. Rows of a file that cannot be read
        count as differing. Raises SuiteError when digests differ and rows agree.
        """
        doubtful = [row for row in look.rows if not row.matches]
        if not doubtful:
            return 0
        differing, counted = self._told(kind, look, nothing_gone)
        if look.proof.unreadable:
            self._tell_torn(look)
            return max(counted, sum(max(1, row.postgres) for row in doubtful))
        if not differing:
            msg = f"The digests of {len(doubtful)} sensor-days differed, and their rows agree."
            raise SuiteError(
                msg, "Rows were changed in Postgres or in the lake meanwhile: they are compared again."
            )
        return counted

    def _told(self, kind: str, look: Look, nothing_gone: NothingGone) -> tuple[int, int]:
        """Return how many rows differ, and how many of them this kind of slice has not counted before."""
        run, differing, counted, known = self._run, 0, 0, self._known.rows
        shards = run.settings.shards
        kept = [KeptRows(run.differences, look.proof, look.coverage, shards) for _ in range(2)]
        within, beyond = (RowTriage(shards, MOST_ROWS_SHOWN, one.add) for one in kept)
        try:
            for comparison in _comparisons(look, nothing_gone):
                differing += comparison.differences.num_rows
                counted += self._counted[kind].take(comparison).differences.num_rows
                new = self._known.take(comparison)
                if new.differences.num_rows:
                    (within if _is_covered(look, comparison.day) else beyond).add(new)
        finally:
            # what was found before an error stands, too
            self._record(within.findings(), look)
            self._record(map(beyond_triage.of_promised, beyond.findings()), look)
            shown = [*within.shown, *beyond.shown][: MOST_ROWS_SHOWN - self._shown]
            self._shown += len(shown)
            run.record(*shown)
        for one, triage in zip(kept, (within, beyond), strict=True):
            one.settle(triage)
        if self._known.rows > known:
            run.record(run.differences.write())
        return differing, counted

    def _tell_torn(self, look: Look) -> None:
        torn = {file: why for file, why in look.proof.unreadable.items() if file not in self._torn}
        self._torn |= torn.keys()
        if (found := unreadable_files(torn)) is not None:
            self._record([found], look)

    def _record(self, findings: Iterable[Finding], look: Look) -> None:
        for found in findings:
            self._recorded[found.diagnosis] += 1
            if self._recorded[found.diagnosis] <= MOST_FINDINGS:
                when = format_rfc3339(look.coverage.watermark)
                why = f"{found.evidence}{_OR_LATE.get(found.diagnosis, '')}"
                evidence = f"{why}; found by the soak at the watermark {when}"
                self._run.record(found.model_copy(update={"evidence": evidence}))


def _comparisons(look: Look, nothing_gone: NothingGone) -> Iterable[DayComparison]:
    for scope, rows in look.sensor_days:
        for comparison in look.proof.compare_rows(scope, [row for row in rows if not row.matches]):
            if not comparison.differences.num_rows:
                continue
            day = scope.window.on(comparison.day)
            gone = nothing_gone(look, scope.narrowed(day)) if day is not None else frozenset[str]()
            yield replace(comparison, nothing_gone=gone)


def _is_covered(look: Look, day: date) -> bool:
    return look.coverage.window is not None and look.coverage.window.on(day) is not None
