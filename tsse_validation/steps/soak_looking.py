"""Compares rows while the controller goes on, and says what differs only once nothing explains it.

What differs is looked at again, as of the watermark by then. A backfill that replaces dates at the moment makes
rows vanish for a while (contract section 3), dates may move to a place that we were not shown, and Postgres drops
old chunks: none of that is evidence.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from tsse_validation.clients.postgres import PostgresClient
from tsse_validation.clients.snapshot import ActiveJob
from tsse_validation.domain.coverage import ALL_TIME, Coverage, Scope
from tsse_validation.domain.errors import BusyError, NotCheckedError
from tsse_validation.domain.instants import day_start
from tsse_validation.domain.phrasing import days_in_words
from tsse_validation.domain.slicing import Pace
from tsse_validation.domain.windows import Window, on_days
from tsse_validation.lake.reader import LakeFile, LakeReader
from tsse_validation.parity.beyond import OuterReader, SensorDays, compare_days_with_rows
from tsse_validation.parity.direct import DirectProof
from tsse_validation.runlog.records import CountRow, Finding
from tsse_validation.settings.fields import Level
from tsse_validation.steps.retention import without_dropped
from tsse_validation.steps.undisturbed import running_backfill

MOST_BACKFILLS = 3
"""How often it is looked again because a backfill has ended between two looks."""
_LATER = "Nothing at the lake: it is compared again in a while."

ScopesOf = Callable[[Coverage], Sequence[Scope]]
"""What is to be compared, as of what the lake promises at the moment of a look."""


@dataclass(frozen=True)
class Look:
    """What was compared at one moment, sensor-day by sensor-day; `files` are the lake's files then."""

    coverage: Coverage
    proof: DirectProof
    sensor_days: SensorDays
    files: frozenset[LakeFile]

    @property
    def rows(self) -> list[CountRow]:
        """The sensor-days of all scopes."""
        return [row for _, rows in self.sensor_days for row in rows]

    def sensors_of(self, part: Scope) -> set[str]:
        """Return the sensors of a scope of one day, or of a part of one."""
        day = part.window.start.date()
        return {
            row.sensor_id
            for scope, rows in self.sensor_days
            if scope.narrowed(part.window) == part
            for row in rows
            if row.day == day
        }

    @property
    def doubtful(self) -> set[date]:
        """The days that differ."""
        return {row.day for row in self.rows if not row.matches and row.day is not None}


@dataclass(frozen=True)
class Looked:
    """What was compared, and the last look at what differed at first.

    `dropped` tells of dates that Postgres has dropped.
    """

    first: Look
    last: Look
    dropped: Finding | None = None


@dataclass
class Looker:
    """Compares scopes on both sides, each time with the lake's files listed anew.

    `present` reads what the lake promises now; `active` returns the lake jobs that wait or run, or `None` where
    they cannot be seen.
    """

    postgres: PostgresClient
    lake: LakeReader
    present: Callable[[], Coverage]
    active: Callable[[], Sequence[ActiveJob] | None]
    _pace: Pace = field(default_factory=Pace)

    def look(
        self, scopes_of: ScopesOf, coverage: Coverage, *, seen: Collection[LakeFile] | None, by_date: bool
    ) -> Looked:
        """Compare scopes as of a coverage, and what differs again until it is evidence or agrees.

        `by_date` compares all dates of the scopes. Else only dates are compared of which Postgres has rows in
        them, or the lake files that are not among those `seen` (`None` for none).

        Raises BusyError while a backfill replaces dates that differ, NotCheckedError where they have moved to a
        cold place that was not given; other errors as `DirectProof`.
        """
        first = self._compared(scopes_of(coverage), coverage, seen, by_date=by_date)
        last, dropped = first, None
        for _ in range(MOST_BACKFILLS):
            if not last.doubtful:
                break
            self._hold_no_backfill()
            before, now = last.coverage, self.present()
            left, dropped = self._held_by_postgres(last)
            last = self._compared(_on(scopes_of(now), last.doubtful, left), now, None, by_date=True)
            if now.backfill_to == before.backfill_to:
                break
        if last.doubtful:
            self._hold_no_backfill()
            self._hold_shown(last.doubtful)
        return Looked(first, last, dropped)

    def _compared(
        self, scopes: Sequence[Scope], coverage: Coverage, seen: Collection[LakeFile] | None, *, by_date: bool
    ) -> Look:
        proof = DirectProof(self.postgres, self.lake, pace=self._pace)
        lake = proof.lake_rows(coverage)
        files = frozenset(lake.files_of(lake.days()))
        if by_date:
            found: SensorDays = [(scope, proof.compare_sensor_days(scope)) for scope in scopes]
        else:
            days = {file.day for file in files if seen is None or file not in seen}
            found = compare_days_with_rows(proof, OuterReader(self.postgres), scopes, days, Level.DIGEST)
        return Look(coverage, proof, found, files)

    def _hold_no_backfill(self) -> None:
        """Hold that no backfill is under way: it removes the files of each date before it writes them anew."""
        active = self.active()
        if active is None:
            msg = "Rows differ, and this role may not see whether a backfill replaces them at the moment."
            raise NotCheckedError(msg, "GRANT SELECT ON analysis_jobs TO the role of the DSN, then run again.")
        if (job := running_backfill(active)) is not None:
            msg = f"The backfill {job.id} replaces the lake's dates: what differs now is no evidence."
            raise BusyError(msg, _LATER)

    def _held_by_postgres(self, look: Look) -> tuple[datetime, Finding | None]:
        """Return the first instant that Postgres can be asked about, and what the lake alone has before it."""
        if not any(row.lake > row.postgres for row in look.rows):
            return ALL_TIME.start, None
        days = look.proof.lake_rows(look.coverage).days()
        start = min([look.coverage.backfill_from, *map(day_start, days[:1])])
        whole = Scope(Window(start, max(start, look.coverage.watermark)), look.coverage)
        left, finding = without_dropped(whole, self.postgres, self.lake)
        return (left.window.start, finding) if finding is not None else (ALL_TIME.start, None)

    def _hold_shown(self, days: Collection[date]) -> None:
        """Hold that what differs does not lie in a cold place that we were not shown: it would seem missing."""
        if self.lake.paths.cold is not None:
            return
        named = self.lake.manifest().metrics.partitions
        if cold := sorted(day for day in days if day in named and named[day].location == "cold"):
            msg = f"{days_in_words(cold)} lie in the controller's cold place, which was not given."
            raise NotCheckedError(msg, "Give it by --cold-path, then run again.")


def _on(scopes: Sequence[Scope], days: Collection[date], first: datetime) -> list[Scope]:
    """Return the parts of scopes on some days, from an instant on."""
    held = Window(first, ALL_TIME.end)
    return [
        scope.narrowed(part)
        for scope in scopes
        if (window := scope.window.clamp(held)) is not None
        for part in on_days(window, days)
    ]


def as_of(coverage: Coverage, through: datetime) -> Coverage:
    """Return a coverage as of a watermark that was read a moment before it; a backfill since then comes first."""
    return replace(coverage, watermark=through) if through >= coverage.backfill_to else coverage
