"""From differing rows to findings, the most specific first, with the runbook's next step. Pure.

An explained difference (a late arrival, a pending upsert, a window past the watermark) is not flagged.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tsse_validation.diagnosis.patterns import OF_A_RUN, RowDiagnosis, tell
from tsse_validation.diagnosis.tally import LEFT_EMPTY, NAMED_SENSORS, PARTITION_MISSING, Tally, healable
from tsse_validation.domain.instants import format_rfc3339
from tsse_validation.domain.phrasing import count_of, days_in_words
from tsse_validation.lake.shards import shard_of
from tsse_validation.parity.comparing import DayComparison
from tsse_validation.runlog.records import Finding, RowDifference, RowVersion


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
    "committed late": _Meaning(
        "rows are missing whose inserted_at lies before a watermark up to which every row had been compared, and "
        "nothing that the lake held then is gone: their transaction was committed after that, later than the lag "
        "guard allows, and no pass looks back for them"
    ),
    "sensor id altered": _Meaning(
        "the rows stand in the lake under another sensor id, trimmed, folded or cut off on the way", heals=False
    ),
    PARTITION_MISSING: _Meaning(
        f"no file of the date is in the lake, though Postgres has rows that are due there; {LEFT_EMPTY}"
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
        "the lake holds rows that Postgres does not have: deleted there, lost in a crash of it, or never there"
    ),
    "changed in place": _Meaning(
        "the row was changed in Postgres after replication without a new inserted_at, or the lake's copy was"
    ),
    "quality differs": _Meaning(
        "the value is the same on both sides, the quality is not (a NULL of Postgres is 0 in the lake, and here)"
    ),
}
"""Every diagnosis of a differing row, the most specific first."""


Keep = Callable[[DayComparison, Sequence[RowDiagnosis]], None]
"""Takes a day's differing rows, and what each of them was told by then, in their order."""


def keep_none(_comparison: DayComparison, _told: Sequence[RowDiagnosis]) -> None:
    """Keep no row but those shown."""


class RowTriage:
    """Gathers the differing rows day by day, and makes findings of them.

    It remembers at most `most_shown` rows itself; `keep` gets all of them.
    """

    def __init__(self, shards: int, most_shown: int, keep: Keep = keep_none) -> None:
        self._shards = shards
        self._most_shown = most_shown
        self._keep = keep
        self._tallies: dict[str, Tally] = defaultdict(Tally)
        self._lone: dict[RowDiagnosis, Tally] = defaultdict(Tally)
        self._patterns: set[tuple[str, str]] = set()
        self._shown: list[tuple[Mapping[str, Any], RowDiagnosis]] = []
        self.differing = 0

    def add(self, comparison: DayComparison) -> None:
        """Take in one day."""
        self.differing += comparison.differences.num_rows
        # its rows are let go before they are kept: a lost day may have millions of them
        self._keep(comparison, self._told(comparison))

    def _told(self, comparison: DayComparison) -> list[RowDiagnosis]:
        """Return what each row of a day is told, in the order of the comparison."""
        rows = comparison.differences.to_pylist()
        of_key: dict[tuple[str, datetime, str], RowDiagnosis] = {}
        for row, by_pattern in tell(rows, comparison.kept):
            told = self._by_files(row, comparison, by_pattern) or by_pattern
            of_key[_key(row)] = told
            tally = self._lone[told] if told.alike else self._tallies[told.diagnosis]
            tally.add(comparison.day, row["sensor_id"], detail=told.detail)
            if told.diagnosis in OF_A_RUN:
                self._patterns.add(told.pattern)
            if len(self._shown) < self._most_shown:
                self._shown.append((row, told))
        return [of_key[_key(row)] for row in rows]

    def last_diagnosis(self, told: RowDiagnosis) -> str:
        """Return what a row is told once all days were taken in."""
        return told.by(self._patterns).diagnosis

    @property
    def shown(self) -> list[RowDifference]:
        """Return the first of the differing rows, each with its diagnosis."""
        return [_difference(row, self.last_diagnosis(told)) for row, told in self._shown]

    def findings(self) -> list[Finding]:
        """Return a finding for each diagnosis, the most specific first."""
        tallies = defaultdict(Tally, deepcopy(self._tallies))
        for lone, tally in self._lone.items():
            told = lone.by(self._patterns)
            tallies[told.diagnosis].merge(tally, told.detail)
        return [_finding(name, tallies[name]) for name in _DIAGNOSES if name in tallies]

    def _by_files(
        self, row: Mapping[str, Any], comparison: DayComparison, by_pattern: RowDiagnosis
    ) -> RowDiagnosis | None:
        """Find in the files why a row is missing: another file holds it, or its own cannot."""
        if row["kind"] != "missing" or by_pattern.diagnosis == "sensor id altered":
            return None
        if (file := comparison.elsewhere.get((row["sensor_id"], row["ts"]))) is not None:
            if file.day != comparison.day:
                return RowDiagnosis("wrong date", f"in date={file.day}")
            return RowDiagnosis("hidden by the manifest", f"in {file.location}")
        shard, files = shard_of(row["sensor_id"], self._shards), comparison.files
        if shard in files.unreadable:
            return RowDiagnosis("unreadable file", files.unreadable[shard])
        if row["sensor_id"] in comparison.nothing_gone:
            return RowDiagnosis("committed late")
        if shard not in files.shards:
            return RowDiagnosis("shard missing" if files.shards else PARTITION_MISSING)
        return None


def _key(row: Mapping[str, Any]) -> tuple[str, datetime, str]:
    """Return what tells a differing row from all others of its day."""
    return row["sensor_id"], row["ts"], row["kind"]


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


def _finding(diagnosis: str, tally: Tally) -> Finding:
    meaning = _DIAGNOSES[diagnosis]
    sensors = [sensor_id for sensor_id, _ in tally.sensors.most_common()]
    days = sorted(tally.days)
    details = ", ".join(detail for detail, _ in tally.details.most_common(3))
    return healable(
        diagnosis,
        f"{count_of(tally.rows, 'row')} of {count_of(len(sensors), 'sensor')} on {days_in_words(days)}"
        + (f", {details}" if details else ""),
        meaning.evidence,
        heals=meaning.heals,
        sensors=tuple(sensors[:NAMED_SENSORS]),
        days=tuple(days),
        rows=tally.rows,
    )
