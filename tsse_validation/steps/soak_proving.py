"""Step 9, soak: proves what has newly become due, slice by slice, and old rows again (contract section 4).

A slice is what was inserted between two watermarks, wherever its `ts` lies. Each slice reaches back behind the
last one, for a transaction may commit late: its rows have an older `inserted_at` then, and no pass looks back.
"""

import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Literal

from tsse_validation.clients.postgres import PostgresClient
from tsse_validation.clients.snapshot import ActiveJob
from tsse_validation.domain.coverage import Coverage, Scope, scopes_since
from tsse_validation.domain.digest import KEY_SCHEMA
from tsse_validation.lake.reader import LakeFile, LakeReader
from tsse_validation.parity.beyond import SensorDays
from tsse_validation.runlog.records import CountRow
from tsse_validation.runlog.soak_records import SoakSlice
from tsse_validation.steps.run import ValidationRun
from tsse_validation.steps.soak_differences import NothingGone, SoakDifferences
from tsse_validation.steps.soak_looking import Look, Looked, Looker, ScopesOf, as_of

OVERLAP = timedelta(minutes=15)
"""How far a slice reaches back behind the last one.

The longest lag guard is 5 minutes (contract section 4). A transaction that stays open longer is a mistake of its
writer, and few stay open for three times as long. What commits later still is found at the end of the soak.
"""

Kind = Literal["due", "old_day", "since_start", "whole_range"]


@dataclass(frozen=True)
class _Held:
    """How many rows the lake held of each sensor-day, inserted after `since` and up to the mark of then."""

    since: datetime
    rows: Counter[tuple[str, date | None]] = field(default_factory=Counter)


class RowsProver:
    """Compares rows while a soak goes on; it is the loop's `SoakProver`.

    `begun` is what the lake promised as the soak began: what was due by then is proven. `present` reads what it
    promises now, `now` is the controller's clock, `active` as in `Looker`. `establish` is called after each
    reading of `present`: on a standby it holds that this has come up to the watermark.
    """

    def __init__(
        self,
        run: ValidationRun,
        postgres: PostgresClient,
        lake: LakeReader,
        begun: Coverage,
        *,
        present: Callable[[], Coverage],
        now: Callable[[], datetime],
        active: Callable[[], Sequence[ActiveJob] | None],
        establish: Callable[[], object] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._run = run
        self._present, self._establish = present, establish
        self._looker = Looker(postgres, lake, self._promised_now, active)
        self._differences = SoakDifferences(run)
        self._now, self._clock = now, clock
        self._begun = self._mark = begun.watermark
        self._known, self._earlier = begun, begun
        self._files: frozenset[LakeFile] | None = None
        self._last, self._all = _Held(self._begun), _Held(self._begun)
        self._random = random.Random(run.settings.window_seed)  # noqa: S311 - which day is drawn is no secret
        self._drawn: set[date] = set()
        self._dropped: set[str] = set()

    @property
    def diagnoses(self) -> Sequence[str]:
        """The diagnoses of the findings so far that speak against the release."""
        return self._differences.diagnoses

    def newly_due(self, through: datetime) -> SoakSlice | None:
        """Compare what was inserted since the last slice up to `through`, and the overlap again.

        `None` when the watermark has not moved. The mark moves only when all of it was compared.
        """
        if through <= self._mark:
            return None
        return self._compare_inserted("due", max(self._begun, self._mark - OVERLAP), through, self._last)

    def since_start(self, through: datetime) -> SoakSlice | None:
        """Compare all that was inserted since the soak began, on every date: what was committed very late, too."""
        end = max(through, self._mark)
        return self._compare_inserted("since_start", self._begun, end, self._all) if end > self._begun else None

    def old_day(self, through: datetime) -> SoakSlice | None:
        """Compare a whole covered day, drawn at random: each once before one comes again; `None` without a day."""
        began = self._clock()
        coverage = as_of(self._promised_now(), through)
        day = self._draw(coverage)
        if day is None:
            return None
        looked = self._look(lambda now: _covered_part(now, day), coverage, by_date=True)
        return self._recorded(
            "old_day", looked, self._differences.tell("old_day", looked.last, _not_known), began, day=day
        )

    def whole_range(self) -> SoakSlice | None:
        """Compare every covered row once more.

        Raises DeadlineError when Postgres holds us up each time: the range is not compared then.
        """
        began = self._clock()
        coverage = self._promised_now()
        looked = self._look(lambda now: [Scope.covered_by(now)], coverage, by_date=True)
        return self._recorded(
            "whole_range", looked, self._differences.tell("whole_range", looked.last, _not_known), began
        )

    def _compare_inserted(self, kind: Kind, since: datetime, through: datetime, held: _Held) -> SoakSlice:
        began, mark = self._clock(), self._mark
        coverage = as_of(self._promised_now(), through)

        def scopes_of(now: Coverage) -> Sequence[Scope]:
            earlier = self._known if now.backfill_to > self._known.backfill_to else self._earlier
            # what is new comes first: with the later watermark the lake is listed
            return [*scopes_since(now, mark, None, earlier), *scopes_since(now, since, mark, earlier)]

        looked = self._look(scopes_of, coverage, by_date=False, all_dates=kind == "since_start")
        differing = self._differences.tell(kind, looked.last, _nothing_gone(held, mark))
        self._advance(looked.first, since)
        return self._recorded(kind, looked, differing, began, since=since, mark=mark)

    def _look(self, scopes_of: ScopesOf, coverage: Coverage, *, by_date: bool, all_dates: bool = False) -> Looked:
        looked = self._looker.look(scopes_of, coverage, seen=None if all_dates else self._files, by_date=by_date)
        if looked.dropped is not None and looked.dropped.summary not in self._dropped:
            self._dropped.add(looked.dropped.summary)
            self._run.record(looked.dropped)
        return looked

    def _advance(self, look: Look, since: datetime) -> None:
        """Move the mark: everything up to the look's watermark was compared."""
        mark, coverage = self._mark, look.coverage
        fresh, again = _Held(mark), _Held(since)
        for scope, rows in look.sensor_days:
            is_fresh = scope.coverage.watermark > mark
            for row in rows:
                # a key of the overlap with a newer version by now counts with the new rows
                held = row.lake + row.pending * is_fresh
                (fresh if is_fresh else again).rows[row.sensor_id, row.day] += max(
                    held, 0 if row.matches else row.postgres
                )
        self._last = _Held(since, fresh.rows + again.rows)
        self._all.rows.update(fresh.rows)
        if coverage.backfill_to > self._known.backfill_to:
            self._earlier = self._known
        self._known, self._mark, self._files = coverage, coverage.watermark, look.files

    def _recorded(
        self,
        kind: Kind,
        looked: Looked,
        differing: int,
        began: float,
        *,
        day: date | None = None,
        since: datetime | None = None,
        mark: datetime | None = None,
    ) -> SoakSlice:
        rows = looked.first.rows
        fresh = rows if mark is None else _newer_than(mark, looked.first.sensor_days)
        compared = SoakSlice(
            at=self._now(),
            kind=kind,
            since=since,
            through=looked.first.coverage.watermark,
            day=day,
            rows=sum(row.postgres for row in rows),
            new_rows=0 if mark is None else sum(row.postgres for row in fresh),
            sensors=len({row.sensor_id for row in rows if row.postgres}),
            differing=differing,
            not_due=sum(row.not_due for row in fresh),
            seconds=round(self._clock() - began, 3),
        )
        self._run.record(compared)
        return compared

    def _draw(self, coverage: Coverage) -> date | None:
        window = coverage.window
        days = [part.start.date() for part in window.split_by_day() if part.is_whole_day] if window else []
        left = [day for day in days if day not in self._drawn]
        if not left:
            self._drawn.clear()
            left = days
        if not left:
            return None
        day = self._random.choice(left)
        self._drawn.add(day)
        return day

    def _promised_now(self) -> Coverage:
        coverage = self._present()
        self._establish()
        return coverage


def _covered_part(coverage: Coverage, day: date) -> list[Scope]:
    window = coverage.window.on(day) if coverage.window is not None else None
    return [] if window is None else [Scope(window, coverage)]


def _newer_than(mark: datetime, sensor_days: SensorDays) -> list[CountRow]:
    return [row for scope, rows in sensor_days if scope.coverage.watermark > mark for row in rows]


def _not_known(_look: Look, _part: Scope) -> frozenset[str]:
    return frozenset()


def _nothing_gone(held: _Held, mark: datetime) -> NothingGone:
    """Return the sensors of which the lake holds as much as it did when the rows up to a mark were compared.

    A row up to that mark which is missing now was not there then: it was committed later.
    """

    def found(look: Look, part: Scope) -> frozenset[str]:
        if part.coverage.watermark > mark or look.proof.unreadable:
            return frozenset()
        day, coverage = part.window.start.date(), replace(look.coverage, watermark=mark)
        lake = look.proof.lake_rows(coverage)
        now = lake.counts(Scope(part.window, coverage, held.since), KEY_SCHEMA.empty_table())
        sensors = look.sensors_of(part)
        return frozenset(one for one in sensors if now.get(one, (0, 0))[0] >= held.rows[one, day])

    return found
