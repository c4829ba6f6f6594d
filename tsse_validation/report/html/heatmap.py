"""Parity of every sensor on every day, as a picture of cells: one path for each state.

A cell is green only where both sides were counted and agree, and no row of it is known to differ. A cell that was
not counted is left empty, and the picture says so.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from itertools import groupby

from tsse_validation.domain.instants import utc_day
from tsse_validation.report.model import text
from tsse_validation.report.model.counts import agrees
from tsse_validation.report.model.text import Capped, capped
from tsse_validation.runlog.records import CountRow, RowDifference
from tsse_validation.runlog.result import RunResult

MAX_SENSORS = 2_000
MAX_DAYS = 400
LABEL_WIDTH = 190
LABEL_LIMIT = 26
HEAD = 22
ROW = 14
_WIDEST, _NARROWEST, _FITTING = 24, 8, 960
_LABEL_ROOM = 44


class CellState(StrEnum):
    """The state of a sensor's day, the worst first; the names are the style sheet's."""

    COUNTS = "counts differ"
    ROWS = "rows differ"
    WAITING = "agrees, rows not due or pending"
    AGREES = "agrees"
    EMPTY = "no rows on either side"
    NOT_COUNTED = "not counted"


_ORDER: Mapping[CellState, int] = {state: place for place, state in enumerate(CellState)}


@dataclass(frozen=True)
class HeatPath:
    """All cells of one state: their ground, and the shape that shows the state without colour."""

    state: CellState
    tone: str
    cells: int
    ground: str
    shape: str


@dataclass(frozen=True)
class Heatmap:
    """The cells of one source; `data` is what the page's script reads."""

    source: str
    sensors: Capped[str]
    days: tuple[date, ...]
    cell: int
    paths: tuple[HeatPath, ...]
    not_counted: int
    places: Mapping[tuple[str, date], str]
    data: Mapping[str, object]

    @property
    def width(self) -> int:
        """Width of the picture in its own units, with room for the last day's name."""
        return max(LABEL_WIDTH + self.cell * len(self.days), self.ticks[-1][0] + _LABEL_ROOM)

    @property
    def height(self) -> int:
        """Height of the picture in its own units."""
        return HEAD + ROW * len(self.sensors.items)

    @property
    def labels(self) -> tuple[tuple[int, str], ...]:
        """The sensors' names as they are drawn, with their base lines."""
        return tuple(
            (HEAD + ROW * place + ROW - 3, text.ident(sensor, LABEL_LIMIT))
            for place, sensor in enumerate(self.sensors.items)
        )

    @property
    def ticks(self) -> tuple[tuple[int, str], ...]:
        """The days that are named above the cells, as many as there is room for."""
        step = -(-_LABEL_ROOM // self.cell)
        named = list(enumerate(self.days))[::step]
        return tuple((LABEL_WIDTH + self.cell * place, f"{day:%m-%d}") for place, day in named)

    @property
    def columns(self) -> str:
        """The lines between the days."""
        lefts = (LABEL_WIDTH + self.cell * place for place in range(1, len(self.days)))
        return "".join(f"M{left} {HEAD}V{self.height}" for left in lefts)

    def place_of(self, row: RowDifference) -> str:
        """Return the name of a differing row's cell, empty where the picture has none."""
        return self.places.get((row.sensor_id, utc_day(row.ts)), "")


def heatmaps(result: RunResult) -> tuple[Heatmap, ...]:
    """Return a picture for each source that has counted by day: us, or the controller's job."""
    sources = dict.fromkeys(counts.source for counts in result.counts)
    return tuple(heat for source in sources if (heat := _heatmap(result, source)) is not None)


def _heatmap(result: RunResult, source: str) -> Heatmap | None:
    counted = _counted(row for counts in result.counts if counts.source == source for row in counts.rows)
    if not counted:
        return None
    differing = {(row.sensor_id, utc_day(row.ts)) for row in result.differences}
    states = {key: _state(row, key in differing) for key, row in counted.items()}
    worst: dict[str, int] = {}
    for (sensor, _), state in states.items():
        worst[sensor] = min(_ORDER[state], worst.get(sensor, len(_ORDER)))
    bad_first = sorted(worst, key=lambda sensor: (worst[sensor] > _ORDER[CellState.ROWS], sensor))
    sensors = capped(bad_first, MAX_SENSORS)
    days = tuple(sorted({day for _, day in counted})[-MAX_DAYS:])
    table = [[states.get((sensor, day), CellState.NOT_COUNTED) for day in days] for sensor in sensors.items]
    cell = max(_NARROWEST, min(_WIDEST, _FITTING // len(days)))
    return Heatmap(
        source=source,
        sensors=sensors,
        days=days,
        cell=cell,
        paths=tuple(_paths(table, cell)),
        not_counted=sum(state is CellState.NOT_COUNTED for of_sensor in table for state in of_sensor),
        places={
            (sensor, day): f"{row}-{column}"
            for row, sensor in enumerate(sensors.items)
            for column, day in enumerate(days)
        },
        data=_data(sensors.items, days, counted, states)
        | {"cell": cell, "left": LABEL_WIDTH, "top": HEAD, "row": ROW},
    )


def _counted(rows: Iterable[CountRow]) -> dict[tuple[str, date], CountRow]:
    """Return one count for each sensor and day: a repeated count never hides a mismatch."""
    counted: dict[tuple[str, date], CountRow] = {}
    for row in rows:
        if row.day is not None:
            earlier = counted.get((row.sensor_id, row.day))
            if earlier is None or agrees(earlier):
                counted[row.sensor_id, row.day] = row
    return counted


def _state(row: CountRow, rows_differ: bool) -> CellState:
    if row.postgres != row.lake:
        return CellState.COUNTS
    if rows_differ or not agrees(row):
        return CellState.ROWS
    if row.not_due or row.pending:
        return CellState.WAITING
    return CellState.AGREES if row.postgres or row.lake else CellState.EMPTY


def _paths(table: Sequence[Sequence[CellState]], cell: int) -> Iterator[HeatPath]:
    runs = [
        (state, row, start, length)
        for row, states in enumerate(table)
        for state, start, length in _runs(states)
        if state is not CellState.NOT_COUNTED
    ]
    cells = Counter(state for states in table for state in states)
    for state in CellState:
        of_state = [(row, start, length) for other, row, start, length in runs if other is state]
        if of_state:
            grounds = "".join(
                f"M{LABEL_WIDTH + cell * start} {HEAD + ROW * row}h{cell * length}v{ROW - 1}h-{cell * length}z"
                for row, start, length in of_state
            )
            shapes = "".join(
                _shape(state, LABEL_WIDTH + cell * column, HEAD + ROW * row, cell)
                for row, start, length in of_state
                for column in range(start, start + length)
            )
            yield HeatPath(state, state.name.lower(), cells[state], grounds, shapes)


def _runs(states: Sequence[CellState]) -> Iterator[tuple[CellState, int, int]]:
    start = 0
    for state, cells in groupby(states):
        length = len(list(cells))
        yield state, start, length
        start += length


def _shape(state: CellState, left: int, top: int, cell: int) -> str:
    """Draw the shape of a state: a cross, two bars, a dot or a dash; a cell that agrees has none."""
    near, wide, middle = left + 2, cell - 4, top + ROW // 2
    if state is CellState.COUNTS:
        return f"M{near} {top + 3}l{wide} {ROW - 7}m0 -{ROW - 7}l-{wide} {ROW - 7}"
    if state is CellState.ROWS:
        return f"M{near} {top + 4}h{wide}m0 {ROW - 9}h-{wide}"
    if state is CellState.WAITING:
        return f"M{left + cell // 2 - 1} {middle - 1}h2v2h-2z"
    return f"M{near} {middle}h{wide}" if state is CellState.EMPTY else ""


def _data(
    sensors: Sequence[str],
    days: Sequence[date],
    counted: Mapping[tuple[str, date], CountRow],
    states: Mapping[tuple[str, date], CellState],
) -> dict[str, object]:
    """Return the counts for the script: Postgres' of every cell, and the rest of each cell that is not plain."""
    rows = [[counted.get((sensor, day)) for day in days] for sensor in sensors]
    return {
        "days": [day.isoformat() for day in days],
        "sensors": [text.ident(sensor) for sensor in sensors],
        "postgres": [[-1 if cell is None else cell.postgres for cell in of_sensor] for of_sensor in rows],
        "more": {
            f"{row}-{column}": [cell.lake, cell.not_due, cell.pending, states[cell.sensor_id, days[column]].value]
            for row, of_sensor in enumerate(rows)
            for column, cell in enumerate(of_sensor)
            if cell is not None and states[cell.sensor_id, days[column]] is not CellState.AGREES
        },
    }
