"""Step 7: draws windows with hypothesis, counts them all at once, and narrows down the first that differs."""

import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Literal

from tsse_validation.clients.bounded import BoundedReader
from tsse_validation.clients.postgres import PostgresClient
from tsse_validation.clients.snapshot import Snapshot
from tsse_validation.diagnosis.count_triage import job_mismatch
from tsse_validation.diagnosis.tally import REPEAT_BACKFILL
from tsse_validation.domain.contract import RUNBOOK_SAMPLE
from tsse_validation.domain.coverage import Scope
from tsse_validation.domain.errors import (
    NotCheckedError,
    SuiteError,
    TriagedError,
    UnaffordableError,
)
from tsse_validation.domain.instants import MICROSECOND, format_rfc3339
from tsse_validation.domain.polling import Update
from tsse_validation.domain.windows import Window
from tsse_validation.parity.by_job import MismatchError, SpotChecker
from tsse_validation.parity.direct import DirectProof
from tsse_validation.parity.landmarks import EDGES, Landmarks
from tsse_validation.runlog.records import CountRow, WindowChecked
from tsse_validation.settings.definitions import option_of
from tsse_validation.settings.spelling import spelled
from tsse_validation.steps.lake_recorder import LakeRecorder
from tsse_validation.steps.progress import ProgressReporter
from tsse_validation.steps.run import Check, ValidationRun
from tsse_validation.steps.spot_checking import POSTS_KEPT_FOR_OTHERS

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

MOST_LANDMARKS = 64
SENSORS_ASKED = 3
"""Sensors that are looked for at each place, until one has a row there."""


@dataclass(frozen=True)
class Drawing:
    """How to draw and count windows: `count` gets the edge's name and windows, and yields each once it is counted.

    `repeat` returns the command that compares one window again. `recount` counts one by itself: what differs is
    counted again by it, and in halves, down to the smallest that differs; `None` where each would be a job.
    `spent` says what the POST budget was spent on, where nothing is left of it for a window; `what` is counted, in
    words.
    """

    most: int
    seed: int
    count: Callable[[str, Sequence[Window], Update], Iterator[WindowChecked]]
    repeat: Callable[[Window], str]
    recount: Callable[[str, Window], WindowChecked] | None = None
    spent: str = ""
    what: str = "windows"


def find_landmarks(covered: Scope, postgres: PostgresClient | None) -> Landmarks:
    """Find the edges that windows are drawn at; without Postgres, no row's instant is known."""
    if postgres is None:
        return Landmarks(covered.window, ())
    return Landmarks(covered.window, _some_timestamps(BoundedReader(postgres), covered))


def _some_timestamps(reader: BoundedReader, covered: Scope) -> list[datetime]:
    """Return up to `MOST_LANDMARKS` instants at which a row lies, spread over the window and the sensors."""
    sensors = reader.ask(lambda snapshot: snapshot.sensor_ids())
    window = covered.window
    step = (window.end - window.start) / MOST_LANDMARKS
    places = [(number, window.start + number * step) for number in range(MOST_LANDMARKS if sensors else 0)]

    def ask(snapshot: Snapshot, part: Scope) -> list[datetime]:
        looked = (
            snapshot.first_timestamp(
                [sensors[(number + more) % len(sensors)] for more in range(SENSORS_ASKED)],
                Window(place, min(place + step, part.window.end)),
            )
            for number, place in places
            if place in part.window
        )
        return [instant for instant in looked if instant is not None]

    return sorted({instant for _, found in reader.pieces(covered, ask) for instant in found})


def draw_directly(run: ValidationRun, proof: DirectProof, covered: Scope) -> Drawing:
    """Draw windows and count them in Postgres and in the lake's files."""

    def count(edge: str, windows: Sequence[Window], on_part: Update) -> Iterator[WindowChecked]:
        for counted in proof.count_windows(covered, windows, on_part):
            yield _checked("direct", edge, counted.window, counted.rows, counted.mismatching)

    def recount(edge: str, window: Window) -> WindowChecked:
        counted = proof.count_window(covered.narrowed(window))
        return _checked("direct", edge, window, counted.rows, counted.mismatching)

    most = run.settings.max_windows // len(EDGES)
    return Drawing(most, run.settings.window_seed, count, partial(_repeat_directly, run), recount)


def draw_by_job(
    run: ValidationRun, spot_checker: SpotChecker, covered: Scope, lake_recorder: LakeRecorder
) -> Drawing:
    """Draw windows and count them by the controller's job, as far as its POST budget goes."""
    settings = run.settings
    affordable = run.budget.available() - POSTS_KEPT_FOR_OTHERS
    most = max(0, min(settings.max_job_windows, affordable))
    short_of_posts = most < 1 <= settings.max_job_windows

    def count_one(edge: str, window: Window) -> WindowChecked:
        mismatching: tuple[str, ...] = ()
        window = _wide_enough(window, covered.window)
        sample = settings.sample or RUNBOOK_SAMPLE
        try:
            spot = spot_checker.check(window, settings.sensor_ids, sample, purpose="windows")
        except MismatchError as error:
            spot, mismatch = error.spot, job_mismatch(error.lost)
            run.record(mismatch)
            mismatching = mismatch.sensors
        counts = spot.counts()
        lake_recorder.watched(spot.result.replication, "parity")
        return _checked("job", edge, window, counts.rows, mismatching, counts.late)

    def count(edge: str, windows: Sequence[Window], on_part: Update) -> Iterator[WindowChecked]:
        for number, window in enumerate(windows, 1):
            counted = count_one(edge, window)
            on_part(number, len(windows), "counted", rows=counted.postgres)
            yield counted

    spent = _spent(run) if short_of_posts else ""
    repeat, what = partial(_repeat_by_job, run), "windows by the job"
    return Drawing(most, settings.window_seed, count, repeat, spent=spent, what=what)


def _spent(run: ValidationRun) -> str:
    """Say what the POST budget was spent on, the most first."""
    purposes = sorted(run.budget.by_purpose.items(), key=lambda spent: (-spent[1], spent[0]))
    on = ", ".join(f"{purpose} {posts}" for purpose, posts in purposes)
    return f"{run.budget.spent} POSTs were spent ({on}), and {POSTS_KEPT_FOR_OTHERS} are left to others"


def _checked(
    source: Literal["direct", "job"],
    edge: str,
    window: Window,
    rows: Sequence[CountRow],
    mismatching: tuple[str, ...],
    late: tuple[str, ...] = (),
) -> WindowChecked:
    return WindowChecked(
        edge=edge,
        source=source,
        start=window.start,
        end=window.end,
        postgres=sum(row.postgres for row in rows),
        lake=sum(row.lake for row in rows),
        sensors=len(rows),
        mismatching=mismatching,
        late=late,
    )


def check_drawn(drawn: list[WindowChecked], check: Check) -> None:
    """State how many windows were drawn, and require at least one."""
    check.fact("windows", len(drawn))
    check.fact("rows", f"{sum(window.postgres for window in drawn):,}")
    check.needs(drawn, "No window was drawn.", "Raise --max-windows.")


def check_drawn_by_job(drawn: list[WindowChecked], check: Check) -> None:
    """Require a row in at least one window that the job has counted, and state how many were drawn."""
    check.needs(
        any(window.postgres for window in drawn),
        "None of the windows had a row: equal zeros prove nothing.",
        "Name busier sensors by --sensor-ids, or raise --max-job-windows.",
    )
    check_drawn(drawn, check)


def _repeat_directly(run: ValidationRun, window: Window) -> str:
    """Return the command that compares a window again, row by row; a password comes from PGPASSFILE.

    The database of a stack of our own ends with it, and is none that was given.
    """
    stack, settings = run.stack, run.settings
    lake = stack.lake if stack else None
    options: dict[str, object] = {"mode": "direct"}
    if lake is not None:
        options |= {"hot_path": lake.hot, "cold_path": lake.cold, "shards": lake.shards}
    if settings.setup_config is not None:
        options["config"] = settings.setup_config
    elif stack is not None and not stack.owned:
        options["database_url"] = spelled("database_url", settings.database_url) or None
    return _parity_command(options, window)


def _repeat_by_job(run: ValidationRun, window: Window) -> str:
    stack, settings = run.stack, run.settings
    options: dict[str, object] = {
        "base_url": stack.base_url if stack else None,
        "auth_token_file": stack.token_file if stack else None,
        "ca_file": settings.ca_file,
        "sensor_ids": ",".join(settings.sensor_ids) or None,
        "sample": settings.sample or RUNBOOK_SAMPLE,
    }
    return _parity_command(options, window)


def _parity_command(options: dict[str, object], window: Window) -> str:
    options |= {"start": format_rfc3339(window.start), "end": format_rfc3339(window.end)}
    given = [
        part for name, value in options.items() if value is not None for part in (option_of(name), str(value))
    ]
    return shlex.join(["tsse-validate", "parity", *given])


def _wide_enough(window: Window, covered: Window) -> Window:
    """Widen a window of a single microsecond: the job wants an end after its start (contract section 3)."""
    if window.start < window.end:
        return window
    return Window(max(covered.start, window.start - MICROSECOND), min(covered.end, window.end + MICROSECOND))


def draw_and_check(
    edge: str, landmarks: Landmarks, drawing: Drawing, progress: ProgressReporter, check: Check
) -> list[WindowChecked]:
    """Draw windows at one kind of edge, count and record each, and stop at the first that differs.

    Raises PromiseBrokenError when a window differs, with the smallest within it; NotCheckedError when none may be
    drawn, UnaffordableError when that is for want of POSTs.
    """
    if drawing.spent:
        msg = f"No window could be drawn: {drawing.spent}."
        raise UnaffordableError(msg, "Run again later for the windows: step 6 has counted what they would.")
    if drawing.most < 1:
        raise NotCheckedError("No window could be drawn.", "Raise --max-windows or --max-job-windows.")
    # not above: it imports hypothesis, and whoever only collects the checks draws nothing
    from tsse_validation.parity.strategies import windows

    checked: list[WindowChecked] = []
    check.fact("seed", drawing.seed)
    with progress.track(f"{drawing.what}, {edge}") as update:
        for counted in drawing.count(edge, draw(windows(landmarks, edge), drawing), update):
            checked.append(counted)
            check.record(counted)
            if counted.mismatching:
                raise _broken(counted, drawing, check)
    return checked


def draw(strategy: "SearchStrategy[Window]", drawing: Drawing) -> list[Window]:
    """Draw as many windows as are wanted; the same seed draws the same."""
    import hypothesis
    from hypothesis import HealthCheck, Phase, given

    drawn: list[Window] = []

    @hypothesis.seed(drawing.seed)
    @hypothesis.settings(
        max_examples=drawing.most,
        phases=(Phase.generate,),
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(window=strategy)
    def take(window: Window) -> None:
        drawn.append(window)

    take()
    return drawn


def _broken(drawn: WindowChecked, drawing: Drawing, check: Check) -> SuiteError:
    smallest = drawn
    if drawing.recount is not None:
        # what differs is narrowed down by halves: no shrinker knows better, and none needs fewer counts
        again = drawing.recount(drawn.edge, Window(drawn.start, drawn.end))
        if not again.mismatching:
            msg = "A window differed once, and agreed when it was counted again."
            return SuiteError(msg, "The lake or Postgres was changed meanwhile: run again.")
        smallest = narrowed(again, drawing.recount)
    command = drawing.repeat(Window(smallest.start, smallest.end))
    check.fact("to repeat", command)
    if (smallest.start, smallest.end) != (drawn.start, drawn.end):
        check.record(smallest)
    return TriagedError(
        _difference(smallest, drawn, drawing.seed), f"To compare this window again: {command} . {REPEAT_BACKFILL}"
    )


def narrowed(drawn: WindowChecked, count: Callable[[str, Window], WindowChecked]) -> WindowChecked:
    """Halve a window that differs for as long as one of its halves differs too, down to a microsecond.

    Counts add up over adjacent windows: a sensor that differs in the whole differs in a half, unless something has
    changed meanwhile. Then the last window that differed stands.
    """
    smallest = drawn
    while smallest.start < smallest.end:
        halves = (count(drawn.edge, half) for half in Window(smallest.start, smallest.end).halves())
        found = next((half for half in halves if half.mismatching), None)
        if found is None:
            break
        smallest = found
    return smallest


def _difference(smallest: WindowChecked, drawn: WindowChecked, seed: int) -> str:
    same = (smallest.start, smallest.end) == (drawn.start, drawn.end)
    within = "" if same else f"the smallest that differs within {_span(drawn)}, "
    return (
        f"Window {_span(smallest)}: Postgres {smallest.postgres}, lake {smallest.lake}, "
        f"{len(smallest.mismatching)} sensors differ ({', '.join(smallest.mismatching[:3])}); "
        f"{within}drawn with --window-seed {seed}."
    )


def _span(window: WindowChecked) -> str:
    return f"{format_rfc3339(window.start)} → {format_rfc3339(window.end)}"
