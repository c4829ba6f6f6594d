"""What was proven day by day: by digest, by counts, beyond the covered range, or not at all."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum

from tsse_validation.domain.phrasing import count_of, number
from tsse_validation.domain.windows import Window
from tsse_validation.runlog.records import CountRow, CountsTaken
from tsse_validation.runlog.result import RunResult
from tsse_validation.verdict import sensors_compared

_BY_ROWS = frozenset({"digest", "rows"})
LONGEST_CALENDAR = 1_500
"""Days that are looked at one by one; over more, as with a forecast of a century, those compared are shown."""


class DayState(StrEnum):
    """How far a day was proven, the worst first."""

    DIFFERS = "differs"
    NOT_COMPARED = "not compared"
    COUNTED = "counted, values not compared"
    BEYOND = "beyond the covered range: what is due was compared"
    COMPARED = "compared by digest or row by row"


@dataclass(frozen=True)
class CoveredDay:
    """One day: its rows of Postgres that were compared, and those that are not due; the sensors with a row."""

    day: date
    state: DayState
    rows: int = 0
    not_due: int = 0
    sensors: frozenset[str] = frozenset()


@dataclass(frozen=True)
class StateLine:
    """The days of one state; `rows` and `sensors` are `None` where they are not known by day."""

    state: DayState
    days: int
    first: date
    last: date
    rows: int | None
    sensors: int | None
    not_due: int


@dataclass(frozen=True)
class CoveredDays:
    """The days on which either side has rows, as far as is known, in their order, and a line for each state."""

    days: tuple[CoveredDay, ...]
    lines: tuple[StateLine, ...]
    sensors: int
    known: int | None

    @property
    def phrase(self) -> str:
        """How many days and sensors were compared, of how many."""
        looked_at = sum(line.days for line in self.lines if line.state is not DayState.NOT_COMPARED)
        of_known = "" if self.known is None else f" of {number(self.known)}"
        return (
            f"{number(looked_at)} of {count_of(len(self.days), 'day')}, {number(self.sensors)}{of_known} sensors"
        )


def covered_days(result: RunResult) -> CoveredDays:
    """Return what a run has proven, day by day."""
    seen = dict(_counted(result)) or dict(_by_the_job(result))
    compared = dict(seen)
    for day in _beyond(result):
        within = seen.get(day.day, day)
        # a day at the edge of the covered range has rows on both sides of it
        compared[day.day] = replace(within, state=day.state) if day.state is DayState.DIFFERS else within
    days = tuple(
        compared.get(day) or CoveredDay(day, DayState.NOT_COMPARED) for day in _calendar(result, compared)
    )
    return CoveredDays(
        days=days,
        lines=tuple(_lines(days, by_day=any(day.sensors for day in seen.values()))),
        sensors=sensors_compared(result),
        known=result.farm.sensors if result.farm else None,
    )


def _counted(result: RunResult) -> Iterator[tuple[date, CoveredDay]]:
    """Yield the days of our own counts; the last count of a day is what it is like."""
    tables = [counts for counts in result.counts if counts.source == "direct"]
    by_day: dict[date, tuple[CountsTaken, list[CountRow]]] = {}
    for counts in tables:
        of_table: dict[date, list[CountRow]] = {}
        for row in counts.rows:
            if row.day is not None:
                of_table.setdefault(row.day, []).append(row)
        by_day |= {day: (counts, rows) for day, rows in of_table.items()}
    compared = any(seen.level in _BY_ROWS for seen in result.rows_compared)
    for day, (counts, rows) in by_day.items():
        by_rows = counts.level in _BY_ROWS if counts.level else compared
        state = DayState.COMPARED if by_rows else DayState.COUNTED
        yield day, _day(day, state if all(row.matches for row in rows) else DayState.DIFFERS, rows)


def _day(day: date, state: DayState, rows: Sequence[CountRow]) -> CoveredDay:
    return CoveredDay(
        day=day,
        state=state,
        rows=sum(row.postgres for row in rows),
        not_due=sum(row.not_due for row in rows),
        sensors=frozenset(row.sensor_id for row in rows if row.postgres or row.lake),
    )


def _by_the_job(result: RunResult) -> Iterator[tuple[date, CoveredDay]]:
    """Yield the days that the controller's job has counted: it tells no rows by day."""
    for counts in result.counts:
        differs = any(not row.matches and row.sensor_id not in counts.late for row in counts.rows)
        for day in _few_days(counts.window) if counts.source == "job" else ():
            yield day, CoveredDay(day, DayState.DIFFERS if differs else DayState.COUNTED)


def _few_days(window: Window) -> Iterable[date]:
    span = (window.end.date() - window.start.date()).days
    return window.days() if span <= LONGEST_CALENDAR else ()


def _beyond(result: RunResult) -> Iterator[CoveredDay]:
    for seen in result.beyond_compared.dates if result.beyond_compared else ():
        if seen.postgres or seen.lake:
            yield CoveredDay(seen.day, DayState.BEYOND if seen.matches else DayState.DIFFERS, seen.postgres)


def _calendar(result: RunResult, compared: Mapping[date, CoveredDay]) -> Sequence[date]:
    """Return each day from the first to the last that either side is known to hold, in their order."""
    extent = result.extent
    ends = [extent.postgres_first, extent.postgres_last, extent.lake_first, extent.lake_last] if extent else []
    known = [day for day in (*ends, *compared) if day is not None]
    if not known:
        return ()
    first, span = min(known), (max(known) - min(known)).days + 1
    return sorted(compared) if span > LONGEST_CALENDAR else [first + timedelta(number) for number in range(span)]


def _lines(days: Sequence[CoveredDay], *, by_day: bool) -> Iterator[StateLine]:
    for state in DayState:
        of_state = [day for day in days if day.state is state]
        if not of_state:
            continue
        known = state is DayState.BEYOND or (by_day and state is not DayState.NOT_COMPARED)
        sensors = {sensor for day in of_state for sensor in day.sensors}
        yield StateLine(
            state=state,
            days=len(of_state),
            first=of_state[0].day,
            last=of_state[-1].day,
            rows=sum(day.rows for day in of_state) if known else None,
            sensors=len(sensors) if known and sensors else None,
            not_due=sum(day.not_due for day in of_state),
        )
