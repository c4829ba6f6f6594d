"""Step 7 on a lake of plain numbers: a window that differs is narrowed down to what differs, and no further."""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from io import StringIO
from itertools import count
from typing import Any

import pytest
from rich.console import Console

from tsse_validation.domain.contract import POST_BURST
from tsse_validation.domain.coverage import Coverage, Scope
from tsse_validation.domain.errors import (
    NotCheckedError,
    PromiseBrokenError,
    SuiteError,
    UnaffordableError,
    UnreachableError,
)
from tsse_validation.domain.instants import MICROSECOND, format_rfc3339
from tsse_validation.domain.polling import Update
from tsse_validation.domain.windows import Window
from tsse_validation.parity.landmarks import Landmarks
from tsse_validation.parity.strategies import windows
from tsse_validation.runlog.records import WindowChecked
from tsse_validation.runlog.result import RunResult
from tsse_validation.settings.loading import load_settings
from tsse_validation.steps.drawing import Drawing, draw, draw_and_check, draw_by_job, narrowed
from tsse_validation.steps.progress import ProgressReporter
from tsse_validation.steps.run import Check, ValidationRun, begin_run

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
COVERED = Window(BEGIN, BEGIN + timedelta(days=10))
LOST = BEGIN + timedelta(days=4, hours=3, microseconds=777)
HELD = [BEGIN + hours * timedelta(hours=1) for hours in range(240)]


class Sides:
    """Counts of a Postgres and of a lake that has lost rows."""

    def __init__(self, *lost: datetime) -> None:
        self.lost: Sequence[datetime] = lost
        self.counted = 0

    def at_once(self, edge: str, windows: Sequence[Window], on_part: Update) -> Iterator[WindowChecked]:
        on_part(len(windows), len(windows), "counted")
        return map(partial(self, edge), windows)

    def __call__(self, edge: str, window: Window) -> WindowChecked:
        self.counted += 1
        lake, lost = (sum(row in window for row in rows) for rows in (HELD, self.lost))
        return WindowChecked(
            edge=edge,
            source="direct",
            start=window.start,
            end=window.end,
            postgres=lake + lost,
            lake=lake,
            sensors=1,
            mismatching=("a-sensor",) if lost else (),
        )


@pytest.fixture
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValidationRun]:
    directory = tmp_path_factory.mktemp("run")
    run = begin_run(load_settings({"report_dir": directory}, directory, for_run=False), {})
    yield run
    run.log.close()


def drawing(sides: Sides, *, narrows: bool = True) -> Drawing:
    return Drawing(
        200,
        7,
        sides.at_once,
        lambda window: shlex.join(["again", str(window.start), str(window.end)]),
        sides if narrows else None,
    )


@pytest.fixture
def told() -> StringIO:
    return StringIO()


@pytest.fixture
def progress(told: StringIO) -> ProgressReporter:
    return ProgressReporter(Console(file=told, width=200))


@pytest.mark.parametrize("edge", ["random", "day-boundary", "backfill-start"])
def test_a_lost_row_is_narrowed_down_to_its_microsecond(
    edge: str, run: ValidationRun, progress: ProgressReporter
) -> None:
    lost = LOST if edge != "backfill-start" else BEGIN + timedelta(hours=1, microseconds=1)
    sides, check = Sides(lost), Check(run)
    with pytest.raises(PromiseBrokenError) as caught:
        draw_and_check(edge, Landmarks(COVERED, ()), drawing(sides), progress, check)
    only = f"Window {format_rfc3339(lost)} → {format_rfc3339(lost)}: Postgres 1, lake 0, 1 sensors differ"
    assert caught.value.message.startswith(only)
    assert "the smallest that differs within" in caught.value.message
    assert caught.value.message.endswith("drawn with --window-seed 7.")
    assert f"again '{lost}' '{lost}'" in caught.value.advice
    assert "replace_existing=true" in caught.value.advice
    recorded = RunResult.from_log(run.log.path).windows
    assert (recorded[-1].start, recorded[-1].end) == (lost, lost)
    assert check.facts == {"seed": "7", "to repeat": f"again '{lost}' '{lost}'"}


def test_an_error_of_a_server_is_told_as_it_is(run: ValidationRun, progress: ProgressReporter) -> None:
    sides = Sides()

    def some(edge: str, windows: Sequence[Window], on_part: Update) -> Iterator[WindowChecked]:
        yield from sides.at_once(edge, windows[:3], on_part)
        raise UnreachableError("Postgres cannot be reached.")

    with pytest.raises(UnreachableError, match="Postgres cannot be reached"):
        draw_and_check("random", Landmarks(COVERED, ()), replace(drawing(sides), count=some), progress, Check(run))
    assert len(RunResult.from_log(run.log.path).windows) == 3, "what was counted before stands"


def test_the_first_window_that_differs_ends_the_drawing(run: ValidationRun, progress: ProgressReporter) -> None:
    sides = Sides(LOST)
    with pytest.raises(PromiseBrokenError):
        draw_and_check("random", Landmarks(COVERED, ()), drawing(sides), progress, Check(run))
    drawn = [window for window in RunResult.from_log(run.log.path).windows if window.start < window.end]
    # the window is drawn, counted once more, and halved: three days are 38 bits of microseconds
    assert [bool(window.mismatching) for window in drawn] == [False] * (len(drawn) - 1) + [True]
    assert sides.counted <= len(drawn) + 2 * 38 + 1


def test_a_window_that_agrees_when_it_is_counted_again_is_no_fault(
    run: ValidationRun, progress: ProgressReporter
) -> None:
    healed = replace(drawing(Sides(LOST)), recount=Sides())
    with pytest.raises(SuiteError, match="differed once, and agreed when it was counted again") as caught:
        draw_and_check("random", Landmarks(COVERED, ()), healed, progress, Check(run))
    assert not isinstance(caught.value, PromiseBrokenError)


def test_the_same_windows_are_drawn_by_the_same_seed_however_they_are_counted(
    run: ValidationRun, progress: ProgressReporter
) -> None:
    strategy = windows(Landmarks(COVERED, HELD), "day-boundary")
    drawn = draw(strategy, drawing(Sides()))
    assert len(drawn) == 200
    assert draw(strategy, drawing(Sides())) == drawn
    assert draw(strategy, replace(drawing(Sides()), seed=8)) != drawn
    checked = draw_and_check("day-boundary", Landmarks(COVERED, HELD), drawing(Sides()), progress, Check(run))
    assert [Window(window.start, window.end) for window in checked] == drawn


def test_it_is_shown_how_far_it_has_come(run: ValidationRun, told: StringIO) -> None:
    slow = ProgressReporter(Console(file=told, width=200), clock=count(step=60).__next__)
    draw_and_check("empty", Landmarks(COVERED, ()), drawing(Sides()), slow, Check(run))
    assert told.getvalue().startswith("windows, empty: 200/200 (100 %) counted")


def test_what_cannot_be_narrowed_is_told_as_it_was_drawn(run: ValidationRun, progress: ProgressReporter) -> None:
    sides = Sides(LOST)
    with pytest.raises(PromiseBrokenError) as caught:
        draw_and_check("random", Landmarks(COVERED, ()), drawing(sides, narrows=False), progress, Check(run))
    assert "smallest" not in caught.value.message
    last = RunResult.from_log(run.log.path).windows[-1]
    assert f"again '{last.start}' '{last.end}'" in caught.value.advice


def test_of_two_lost_rows_the_smallest_window_has_one() -> None:
    sides = Sides(LOST, LOST + timedelta(hours=1))
    smallest = narrowed(sides("random", COVERED), sides)
    assert (smallest.start, smallest.end) == (LOST, LOST)


def test_neighbouring_microseconds_are_told_apart() -> None:
    sides = Sides(LOST)
    smallest = narrowed(sides("random", Window(LOST - MICROSECOND, LOST)), sides)
    assert (smallest.start, smallest.end) == (LOST, LOST)
    assert sides.counted == 3


def test_where_neither_half_differs_any_more_the_last_window_that_did_stands() -> None:
    sides = Sides(LOST)
    drawn = sides("random", COVERED)
    sides.lost = ()
    assert narrowed(drawn, sides) == drawn


def job_drawing(run: ValidationRun, spent: int) -> Drawing:
    for _ in range(spent):
        run.budget.spend("parity" if spent % 2 else "inspect")
    covered = Scope(COVERED, Coverage(COVERED.start, COVERED.end, COVERED.end))
    not_called: Any = None
    return draw_by_job(run, not_called, covered, not_called)


def test_without_posts_no_window_is_drawn_and_it_is_said_what_they_were_spent_on(
    run: ValidationRun, progress: ProgressReporter
) -> None:
    with pytest.raises(UnaffordableError) as caught:
        draw_and_check("random", Landmarks(COVERED, ()), job_drawing(run, POST_BURST - 15), progress, Check(run))
    assert caught.value.message == (
        "No window could be drawn: 45 POSTs were spent (parity 45), and 15 are left to others."
    )


def test_one_post_more_draws_one_window(run: ValidationRun) -> None:
    assert (job_drawing(run, POST_BURST - 16).most, job_drawing(run, 0).spent) == (1, "")


def test_no_window_that_was_asked_for_is_not_for_want_of_posts(
    tmp_path_factory: pytest.TempPathFactory, progress: ProgressReporter
) -> None:
    directory = tmp_path_factory.mktemp("run")
    loaded = load_settings({"report_dir": directory, "max_job_windows": 0}, directory, for_run=False)
    run = begin_run(loaded, {})
    with pytest.raises(NotCheckedError, match="--max-job-windows") as caught:
        draw_and_check("random", Landmarks(COVERED, ()), job_drawing(run, POST_BURST), progress, Check(run))
    assert not isinstance(caught.value, UnaffordableError)
    run.log.close()
