"""A result of any size: a farm of many sensors and days, and as many checks as are asked for."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta

from tests.support.builders import (
    WATERMARK,
    check_id,
    counts_taken,
    finished,
    planned,
    rows_compared,
    run_started,
    stack_described,
)
from tests.support.report_builders import DAYS, backfill, ended, posts, result
from tsse_validation.domain.catalogue import CHECKS
from tsse_validation.domain.windows import Window
from tsse_validation.runlog.records import (
    CheckFinished,
    CheckPlanned,
    CheckStatus,
    CountRow,
    Finding,
    RowDifference,
    RowVersion,
)
from tsse_validation.runlog.result import RunResult

_PER_CHECK = CHECKS["test_backfill_keeps_its_promises"]
_FAILING = CHECKS["test_counts_agree_for_every_sensor"]
_LAST_DAY = Window(start=WATERMARK - timedelta(days=1), end=WATERMARK)
LISTED = 200


def large(*, checks: int, sensors: int, days: int, one_bad_in: int = 10) -> RunResult:
    """Return a NO-GO of that size: of each so many sensors' days one has lost a row, and some rows are listed."""
    names = [f"{number * 2_654_435_761 % 2**48:024x}" for number in range(1, sensors + 1)]
    cells = list(_cells(names, DAYS[-days:], one_bad_in))
    bad = [cell for cell in cells if not cell.matches]
    return result(
        run_started(),
        stack_described(),
        *map(planned, CHECKS),
        *_checks(checks),
        counts_taken(*_by_sensor(cells, days)),
        counts_taken(*cells),
        counts_taken(*_by_sensor(cells[:days], days), source="job", window=_LAST_DAY),
        rows_compared(sum(cell.postgres for cell in cells), days=days, sensors=sensors, differing=len(bad)),
        *(_difference(cell) for cell in bad[:LISTED]),
        *([_finding(bad)] if bad else []),
        backfill(),
        posts(),
        ended(),
    )


def _checks(count: int) -> Iterator[CheckPlanned | CheckFinished]:
    """Yield one end for each check of the catalogue and, up to the count, further cases of one of them."""
    for spec in CHECKS.values():
        yield finished(spec.key, CheckStatus.FAILED if spec is _FAILING else CheckStatus.PASSED, message="")
    for number in range(count - len(CHECKS)):
        case = f"{check_id(_PER_CHECK.key)}[case-{number:05d}]"
        yield CheckPlanned(check_id=case, key=_PER_CHECK.key, step=_PER_CHECK.step)
        yield finished(_PER_CHECK.key, check_id=case)


def _cells(names: list[str], days: tuple[date, ...], one_bad_in: int) -> Iterator[CountRow]:
    for place, name in enumerate(names):
        for offset, day in enumerate(days):
            # neither every sensor nor every day of one: a picture of runs and gaps, as a farm's is
            postgres = 60 + (place * 7 + offset * 13) % 1_400
            short = int((place * 17 + offset * 31) % (one_bad_in * 7) == 0)
            yield CountRow(name, day, postgres, postgres - short, 0, int(offset == len(days) - 1), short == 0)


def _by_sensor(cells: list[CountRow], days: int) -> Iterator[CountRow]:
    for first in range(0, len(cells), days):
        of_sensor = cells[first : first + days]
        postgres, lake = sum(cell.postgres for cell in of_sensor), sum(cell.lake for cell in of_sensor)
        yield CountRow(of_sensor[0].sensor_id, None, postgres, lake, 0, 1, postgres == lake)


def _difference(cell: CountRow) -> RowDifference:
    assert cell.day is not None
    ts = datetime.combine(cell.day, time(3), UTC) + timedelta(microseconds=250)
    version = RowVersion("21.5", 0, f"{ts + timedelta(seconds=1):%Y-%m-%dT%H:%M:%S.%f}+00:00")
    return RowDifference(kind="missing", sensor_id=cell.sensor_id, ts=ts, postgres=version)


def _finding(bad: list[CountRow]) -> Finding:
    return Finding(
        diagnosis="rows missing",
        flagged=True,
        summary=f"{len(bad)} rows are in Postgres and not in the lake.",
        evidence="They were inserted before the watermark, and no file of their shard holds them.",
        sensors=tuple(sorted({cell.sensor_id for cell in bad})),
        days=tuple(sorted({cell.day for cell in bad if cell.day is not None})),
        rows=len(bad),
        next_step="Re-run the backfill with replace_existing=true.",
        heals_by_backfill=True,
    )
