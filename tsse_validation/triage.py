"""From differing rows to a diagnosis: pure, most specific first, with the runbook's next step.

What is explained (a late arrival, a pending upsert, a window past the watermark) is told and not flagged.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from tsse_validation.parity import DayComparison
from tsse_validation.patterns import OF_A_RUN, Told, tell
from tsse_validation.results import CountRow, Finding, RowDifference, RowVersion
from tsse_validation.shards import shard_of
from tsse_validation.timestamps import format_rfc3339
from tsse_validation.windows import Window

REPEAT_BACKFILL = (
    "Re-run the backfill with replace_existing=true for the affected range and check again. If the mismatch is "
    "still there, it is a replication correctness bug: track it as a new task and do not mark TSSE-6 Done."
)
NOTHING_TO_DO = "Nothing: replication takes these rows up when its watermark passes their insertion."
NAMED_SENSORS = 50
"""Sensors that a finding names; it counts the rows of all."""


@dataclass
class _Tally:
    """Rows of one diagnosis, by sensor and day, and what was particular about them."""

    rows: int = 0
    sensors: Counter[str] = field(default_factory=Counter)
    days: set[date] = field(default_factory=set)
    details: Counter[str] = field(default_factory=Counter)

    def add(self, day: date, sensor_id: str, rows: int = 1, detail: str = "") -> None:
        if not rows:
            return
        self.rows += rows
        self.sensors[sensor_id] += rows
        self.days.add(day)
        if detail:
            self.details[detail] += rows

    def merge(self, other: "_Tally", detail: str) -> None:
        """Take in rows that turn out to be of this diagnosis."""
        self.rows += other.rows
        self.sensors += other.sensors
        self.days |= other.days
        if detail:
            self.details[detail] += other.rows


@dataclass(frozen=True)
class _Meaning:
    """What a diagnosis says, and whether the same export, run again, can heal it."""

    evidence: str
    heals: bool = True


_DIAGNOSES: Mapping[str, _Meaning] = {
    "unreadable file": _Meaning("the files that hold these rows cannot be read"),
    "wrong date": _Meaning(
        "the rows stand in the partition of another date, where a reader that prunes by date does not see them",
        heals=False,
    ),
    "hidden by the manifest": _Meaning(
        "the rows stand in the place that the manifest does not name for their date, where no reader looks"
    ),
    "sensor id altered": _Meaning(
        "the rows stand in the lake under another sensor id, trimmed, folded or cut off on the way", heals=False
    ),
    "partition missing": _Meaning(
        "no file of the date is in the lake, though Postgres has rows that are due there"
    ),
    "shard missing": _Meaning("the date has files, but none of the shard that these sensors belong to"),
    "day head lost": _Meaning(
        "all rows up to a time of the day are missing: the mark of a partition replaced by a partial export"
    ),
    "day tail lost": _Meaning(
        "all rows from a time of the day on are missing: the mark of a partition replaced by a partial export"
    ),
    "timestamps shifted": _Meaning(
        "the rows stand in the lake at other times, all off by one constant: a time zone or unit taken wrongly",
        heals=False,
    ),
    "timestamps rounded": _Meaning("the rows stand in the lake with their timestamps rounded", heals=False),
    "values rounded": _Meaning("the values in the lake are those of Postgres, rounded", heals=False),
    "values swapped": _Meaning("neighbouring rows have each other's value in the lake"),
    "duplicate rows": _Meaning("rows stand more than once in one file of the lake"),
    "stale value": _Meaning(
        "the lake holds an older version of rows whose newer one was inserted before the watermark"
    ),
    "rows missing": _Meaning("rows of Postgres that are due are not in the lake's files"),
    "deleted in Postgres": _Meaning(
        "the lake holds rows that Postgres does not have: deleted there, or never there"
    ),
    "changed in place": _Meaning(
        "the row was changed in Postgres after replication without a new inserted_at, or the lake's copy was"
    ),
    "quality differs": _Meaning("the value is the same on both sides, the quality is not"),
}
"""Every diagnosis of a differing row, the most specific first."""


class RowTriage:
    """Gathers the differing rows day by day, and tells what they come to; holds at most `most_shown` of them."""

    def __init__(self, shards: int, most_shown: int) -> None:
        self._shards = shards
        self._most_shown = most_shown
        self._tallies: dict[str, _Tally] = defaultdict(_Tally)
        self._lone: dict[Told, _Tally] = defaultdict(_Tally)
        self._patterns: set[tuple[str, str]] = set()
        self._shown: list[tuple[Mapping[str, Any], Told]] = []
        self.differing = 0

    def add(self, comparison: DayComparison) -> None:
        """Take in one day."""
        rows = comparison.differences.to_pylist()
        self.differing += len(rows)
        for row, by_pattern in tell(rows, comparison.kept):
            told = self._by_files(row, comparison, by_pattern) or by_pattern
            tally = self._lone[told] if told.alike else self._tallies[told.diagnosis]
            tally.add(comparison.day, row["sensor_id"], detail=told.detail)
            if told.diagnosis in OF_A_RUN:
                self._patterns.add(told.pattern)
            if len(self._shown) < self._most_shown:
                self._shown.append((row, told))

    @property
    def shown(self) -> list[RowDifference]:
        """Return the first of the differing rows, each with its diagnosis."""
        return [_difference(row, told.by(self._patterns).diagnosis) for row, told in self._shown]

    def findings(self) -> list[Finding]:
        """Return a finding for each diagnosis, the most specific first."""
        tallies = defaultdict(_Tally, deepcopy(self._tallies))
        for lone, tally in self._lone.items():
            told = lone.by(self._patterns)
            tallies[told.diagnosis].merge(tally, told.detail)
        return [_finding(name, tallies[name]) for name in _DIAGNOSES if name in tallies]

    def _by_files(self, row: Mapping[str, Any], comparison: DayComparison, by_pattern: Told) -> Told | None:
        """Tell why a row is missing by the files: where it stands instead, or what is wrong with its own."""
        if row["kind"] != "missing" or by_pattern.diagnosis == "sensor id altered":
            return None
        if (file := comparison.elsewhere.get((row["sensor_id"], row["ts"]))) is not None:
            if file.day != comparison.day:
                return Told("wrong date", f"in date={file.day}")
            return Told("hidden by the manifest", f"in {file.location}")
        shard, files = shard_of(row["sensor_id"], self._shards), comparison.files
        if shard in files.unreadable:
            return Told("unreadable file", files.unreadable[shard])
        if shard not in files.shards:
            return Told("shard missing" if files.shards else "partition missing")
        return None


def _difference(row: Mapping[str, Any], diagnosis: str) -> RowDifference:
    return RowDifference(
        kind=row["kind"],
        diagnosis=diagnosis,
        sensor_id=str(row["sensor_id"]),
        ts=row["ts"].replace(tzinfo=UTC),
        postgres=_version(row, "pg", absent="extra"),
        lake=_version(row, "lake", absent="missing"),
    )


def _version(row: Mapping[str, Any], side: str, *, absent: str) -> RowVersion | None:
    if row["kind"] == absent:
        return None
    inserted_at = row[f"{side}_inserted_at"]
    return RowVersion(
        value=repr(row[f"{side}_value"]),
        quality=row[f"{side}_quality"],
        inserted_at=format_rfc3339(inserted_at.replace(tzinfo=UTC)) if inserted_at else None,
    )


def _finding(diagnosis: str, tally: _Tally) -> Finding:
    meaning = _DIAGNOSES[diagnosis]
    sensors = [sensor_id for sensor_id, _ in tally.sensors.most_common()]
    days = sorted(tally.days)
    details = ", ".join(detail for detail, _ in tally.details.most_common(3))
    return Finding(
        diagnosis=diagnosis,
        flagged=True,
        summary=f"{count_of(tally.rows, 'row')} of {count_of(len(sensors), 'sensor')} on {days_in_words(days)}"
        + (f", {details}" if details else ""),
        evidence=meaning.evidence,
        sensors=tuple(sensors[:NAMED_SENSORS]),
        days=tuple(days),
        rows=tally.rows,
        next_step=REPEAT_BACKFILL,
        heals_by_backfill=meaning.heals,
    )


def explain_counts(counts: Iterable[CountRow]) -> list[Finding]:
    """Return what is explained and no fault: rows that were inserted after the watermark, by sensor and day."""
    late, pending = _Tally(), _Tally()
    for row in counts:
        if row.day is not None:
            late.add(row.day, row.sensor_id, row.not_due - row.pending)
            pending.add(row.day, row.sensor_id, row.pending)
    return list(_explained(late, pending))


def _explained(late: _Tally, pending: _Tally) -> Iterator[Finding]:
    if late.rows:
        yield _no_fault(
            "late arrival pending",
            late,
            f"rows that were inserted after the watermark: {late.rows:,}",
            "the watermark promises rows by inserted_at, not by ts: these are not due in the lake yet",
        )
    if pending.rows:
        yield _no_fault(
            "upsert pending",
            pending,
            f"rows of which Postgres has a newer version, inserted after the watermark: {pending.rows:,}",
            "the lake holds the version that was there at the watermark",
        )


def _no_fault(diagnosis: str, tally: _Tally, summary: str, evidence: str) -> Finding:
    return Finding(
        diagnosis=diagnosis,
        flagged=False,
        summary=summary,
        evidence=evidence,
        sensors=tuple(sensor_id for sensor_id, _ in tally.sensors.most_common(NAMED_SENSORS)),
        days=tuple(sorted(tally.days)),
        rows=tally.rows,
        next_step=NOTHING_TO_DO,
    )


def beyond_watermark(requested: Window, watermark: datetime) -> Finding | None:
    """Return the finding for a window that reaches past the watermark, or `None`."""
    if requested.end <= watermark:
        return None
    return Finding(
        diagnosis="beyond the watermark",
        flagged=False,
        summary=f"the window asked for ends {requested.end - watermark} after the watermark",
        evidence=f"checked up to {format_rfc3339(watermark)} only; what lies behind is not promised yet",
        next_step="Ask for a window that ends before computed_through_ts, or run again later.",
    )


@dataclass(frozen=True)
class JobCount:
    """One sensor's counts by the controller's job, in one round."""

    sensor_id: str
    postgres: int
    lake: int


def unexplained_by_lateness(first: Sequence[JobCount], second: Sequence[JobCount]) -> list[JobCount]:
    """Return the sensors whose mismatch late arrivals cannot explain.

    `second` was counted over the same window after the watermark had passed the time of `first`. Every row that
    `first` saw in Postgres was inserted before that, so the lake must hold it by now, and nothing but rows of
    Postgres: ``first.postgres ≤ second.lake ≤ second.postgres``. New late arrivals raise only the right side.
    """
    before = {count.sensor_id: count.postgres for count in first}
    return [
        count
        for count in second
        if not before.get(count.sensor_id, count.postgres) <= count.lake <= count.postgres
    ]


def job_mismatch(window: Window, counts: Sequence[JobCount]) -> Finding:
    """Return the finding for a mismatch which only the controller's own counts tell of."""
    named = ", ".join(f"{c.sensor_id} (Postgres {c.postgres}, lake {c.lake})" for c in counts[:NAMED_SENSORS])
    return Finding(
        diagnosis="counts differ",
        flagged=True,
        summary=f"{count_of(len(counts), 'sensor')} differing within {window}",
        evidence=f"counted by the controller, and still so once its watermark had passed the first count: {named}",
        sensors=tuple(count.sensor_id for count in counts[:NAMED_SENSORS]),
        days=tuple(window.days()),
        rows=sum(abs(count.postgres - count.lake) for count in counts),
        next_step=REPEAT_BACKFILL,
        heals_by_backfill=True,
    )


def count_of(number: int, noun: str) -> str:
    """Return a number with its noun, in the plural where that is due."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def narrowed_mismatch(sensor_id: str, hours: Sequence[tuple[Window, JobCount]]) -> Finding:
    """Return the finding for a sensor whose mismatch was narrowed down by counts of the job alone."""
    named = "; ".join(f"{window}: Postgres {of.postgres}, lake {of.lake}" for window, of in hours[:NAMED_SENSORS])
    return Finding(
        diagnosis="counts differ",
        flagged=True,
        summary=f"{sensor_id} differs within {count_of(len(hours), 'window')}",
        evidence=f"narrowed down by the controller's counts: {named}; which rows differ, counts cannot tell",
        sensors=(sensor_id,),
        days=tuple(sorted({day for window, _ in hours for day in window.days()})),
        rows=sum(abs(of.postgres - of.lake) for _, of in hours),
        next_step=REPEAT_BACKFILL,
        heals_by_backfill=True,
    )


def healed(differing_before: int, differing_after: int) -> Finding:
    """Return the finding of a heal check: what differed, and what still does after another backfill."""
    if differing_after:
        return Finding(
            diagnosis="repeatable: replication bug",
            flagged=True,
            summary=f"{differing_after:,} of {count_of(differing_before, 'sensor-day')} still differ",
            evidence="the backfill was run again with replace_existing, and the range compared again",
            next_step="Track it as a new task, with this report; do not mark TSSE-6 Done.",
        )
    return Finding(
        diagnosis="healed by a backfill",
        flagged=False,
        summary=f"{count_of(differing_before, 'sensor-day')} differed, none does after a backfill",
        evidence="the backfill was run again with replace_existing, and the range compared again",
        next_step="Find out what had damaged the lake, then run the whole validation again.",
        heals_by_backfill=True,
    )


def days_in_words(days: Sequence[date]) -> str:
    """Return one date, or how many there are and the first and last."""
    if len(days) == 1:
        return str(days[0])
    return f"{len(days)} days from {days[0]} to {days[-1]}"
