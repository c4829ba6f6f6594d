"""How much a run has proven: the grade of assurance that its records bear out, and how much of what there is.

A grade rests on checks that are proven and on single records that reach over the whole covered range. So a record
that is missing never makes it higher.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from pydantic import BaseModel, ConfigDict

from tsse_validation.domain.assurance import Assurance
from tsse_validation.domain.catalogue import BOTH_SIDES, CHECKS
from tsse_validation.domain.phrasing import count_of, number
from tsse_validation.domain.stack import Capability
from tsse_validation.domain.windows import Window
from tsse_validation.runlog.records import CountsTaken, EarlierRun, JobCoverage
from tsse_validation.runlog.result import RunResult
from tsse_validation.seal_account import baseline_of, lake_by_seal, lake_in_words, seal_flaw
from tsse_validation.settings.definitions import option_of

_ROWS_TOO = frozenset({Assurance.PROOF, Assurance.COUNTS})
_COUNTS = frozenset({Assurance.COUNTS})
_BY_ROWS = frozenset({"digest", "rows"})
CLEARLY_MORE = 1.05
"""Times this run's rows from which on an earlier run has compared clearly more: farms grow, and retention cuts."""
_OWN_COUNTS = "our own counts of both sides; 100 % of sensors, values not compared"
_GIVE: Mapping[Capability, str] = {
    Capability.POSTGRES: "--database-url (or --setup-config)",
    Capability.LAKE: "--hot-path",
}
_WAS: Mapping[Assurance | None, str] = {
    Assurance.PROOF: "proof was",
    Assurance.COUNTS: "counts were",
    Assurance.SAMPLE: "a sample was",
    None: "no grade was",
}
_NARROWING = ("sample", "sensor_ids", "window_start", "window_end")
"""Settings that keep the controller's job to a part of what it can count."""


class ProvenShare(BaseModel):
    """The rows that were compared, of how many Postgres holds (`None`: not known), on which days.

    `exact` is false where the number of Postgres' rows is an estimate. `words` says all of it.
    """

    model_config = ConfigDict(frozen=True)

    rows: int
    of: int | None
    exact: bool
    days: int
    first: date | None
    last: date | None
    words: str


@dataclass(frozen=True)
class Reached:
    """A grade that a run has reached, what it rests on in words, and over how many rows.

    `by_us` is false where it is the controller's own word.
    """

    assurance: Assurance
    words: str
    rows: int
    window: Window
    by_us: bool = True


def grade_reached(result: RunResult) -> Reached | None:
    """Return the highest grade that the records bear out, or `None` when nothing was compared."""
    return _proof(result) or _own_counts(result) or _job_counts(result) or _sample(result)


def _proof(result: RunResult) -> Reached | None:
    if seal_flaw(result) or not (_read_by_us(result) and _proven(result, _ROWS_TOO, by_us=True)):
        return None
    for seen in result.rows_compared:
        if seen.level in _BY_ROWS and seen.rows and _reaches_over(seen.window, seen.covered or seen.window):
            return Reached(Assurance.PROOF, _proof_in_words(result), rows_compared(result), seen.window)
    return None


def _proof_in_words(result: RunResult) -> str:
    if not lake_by_seal(result):
        return "every due row of every sensor, both sides read by us"
    words = f"every due row of every sensor; Postgres read by us, {lake_in_words(result)}"
    return "; ".join(filter(None, (words, baseline_of(result))))


def _own_counts(result: RunResult) -> Reached | None:
    if seal_flaw(result) or not (_read_by_us(result) and _proven(result, _COUNTS, by_us=True)):
        return None
    for counts in result.counts:
        if _is_of_the_whole(counts) and (rows := _rows_of(counts)):
            return Reached(Assurance.COUNTS, _counts_in_words(result), rows, counts.window)
    return None


def _counts_in_words(result: RunResult) -> str:
    if not lake_by_seal(result):
        return _OWN_COUNTS
    return f"our own counts of Postgres, {lake_in_words(result)}; 100 % of sensors, values not compared"


def _is_of_the_whole(counts: CountsTaken) -> bool:
    """Whether a table holds our counts of the whole range, as the one by sensor always did."""
    if counts.source != "direct" or any(row.day is not None for row in counts.rows):
        return False
    return _reaches_over(counts.window, counts.covered or counts.window)


def _job_counts(result: RunResult) -> Reached | None:
    seen = result.job_coverage
    if seen is None or not (_counts_all(seen) and _proven(result, _COUNTS, by_us=False)):
        return None
    words = "the controller's own word; 100 % of sensors, values not compared"
    return Reached(Assurance.COUNTS, words, seen.rows, seen.window, by_us=False)


def _counts_all(seen: JobCoverage) -> bool:
    everyone = seen.known is not None and seen.sensors >= seen.known
    return bool(everyone and seen.sensors and seen.rows and _reaches_over(seen.window, seen.covered))


def _sample(result: RunResult) -> Reached | None:
    if not _proven(result, _COUNTS, by_us=False):
        return None
    largest = max((counts for counts in result.counts if counts.source == "job"), key=_rows_of, default=None)
    if largest is None or not _rows_of(largest):
        return None
    whom = count_of(len({row.sensor_id for row in largest.rows}), "sensor")
    words = f"the controller's own word; {whom} in one window, values not compared"
    return Reached(Assurance.SAMPLE, words, _rows_of(largest), largest.window, by_us=False)


def _rows_of(counts: CountsTaken) -> int:
    return sum(row.postgres for row in counts.rows)


def _reaches_over(window: Window, covered: Window) -> bool:
    return window.start <= covered.start and covered.end <= window.end


def _read_by_us(result: RunResult) -> bool:
    return result.stack is not None and not BOTH_SIDES & set(result.stack.absent)


def _proven(result: RunResult, grades: Collection[Assurance], *, by_us: bool) -> bool:
    """Whether all checks that the catalogue asks for these grades are proven, on each of their cases."""
    asked = {key for key, spec in CHECKS.items() if spec.proves in grades and spec.by_our_reading == by_us}
    proven = {check.key for check in result.checks if check.status.proven}
    unproven = {check.key for check in result.checks if not check.status.proven}
    return asked <= proven - unproven


def rows_compared(result: RunResult) -> int:
    """Return how many rows were compared one by one, within the range and beyond, or else by the largest count."""
    counted = max(map(_rows_of, result.counts), default=0)
    if result.job_coverage is not None:
        counted = max(counted, result.job_coverage.rows)
    beyond = result.beyond_compared.rows if result.beyond_compared and result.rows_compared else 0
    return max((compared.rows for compared in result.rows_compared), default=counted) + beyond


def share_proven(result: RunResult, reached: Reached | None) -> ProvenShare:
    """Return how much was compared, by the grade reached or else at all, of what Postgres holds."""
    rows = reached.rows if reached else rows_compared(result)
    window = reached.window if reached else _largest_window(result)
    extent = result.extent
    of = extent.postgres_rows if extent else None
    # an estimate may fall short of what was read
    exact = of is not None and extent is not None and extent.exact and rows <= of
    days = list(window.days()) if window and rows else []
    return ProvenShare(
        rows=rows,
        of=of,
        exact=exact,
        days=len(days),
        first=days[0] if days else None,
        last=days[-1] if days else None,
        words=_share_in_words(rows, of, days, exact=exact),
    )


def _largest_window(result: RunResult) -> Window | None:
    seen: list[tuple[int, Window]] = [(one.rows, one.window) for one in result.rows_compared]
    seen = seen or [(_rows_of(counts), counts.window) for counts in result.counts]
    return max(seen, key=lambda one: one[0])[1] if seen else None


def _share_in_words(rows: int, of: int | None, days: list[date], *, exact: bool) -> str:
    if not rows:
        return "no row"
    whole = "an unknown number of rows" if of is None else f"{'' if exact else 'about '}{count_of(of, 'row')}"
    span = f"{days[0]} to {days[-1]}" if len(days) > 1 else str(days[0])
    return f"{number(rows)} of {whole}, {span}"


def coverage_warnings(result: RunResult, reached: Reached | None, share: ProvenShare) -> Iterator[str]:
    """Yield what is smaller than it may seem: than the lake, a reading of it, the last run, every sensor."""
    yield from _smaller_than_the_lake(result, share)
    if baseline := baseline_of(result):
        yield f"the seal of the lake rests on a baseline: {baseline}"
    if result.earlier_run is not None:
        yield from _smaller_than(result.earlier_run, reached, share)
    job = result.job_coverage
    if (
        job is not None
        and reached is not None
        and reached.assurance is Assurance.COUNTS
        and job.rows == reached.rows
    ):
        yield from _limits_of_the_job(job, named=not _absent(result, Capability.POSTGRES))


def _smaller_than_the_lake(result: RunResult, share: ProvenShare) -> Iterator[str]:
    extent = result.extent
    if extent is None or share.first is None or share.last is None or _covers_the_lake(result):
        return
    if extent.unpromised_rows:
        dates = f" on {count_of(extent.unpromised_dates, 'date')}" if extent.unpromised_dates else ""
        yield (
            f"not compared, since no backfill promises them: {count_of(extent.unpromised_rows, 'row')} of the lake"
            f"{dates} (--cover lake compares every date that the lake holds)"
        )
    if extent.unpromised_rows is not None:
        return
    if extent.lake_first is not None and extent.lake_first < share.first:
        yield f"the lake begins at {extent.lake_first}, and what was compared at {share.first}"
    if extent.lake_last is not None and extent.lake_last > share.last:
        yield f"the lake ends at {extent.lake_last}, and what was compared at {share.last}"


def _covers_the_lake(result: RunResult) -> bool:
    """Whether every date that the lake holds was asked for."""
    return result.started.value_of("cover") == "lake"


def _smaller_than(earlier: EarlierRun, reached: Reached | None, share: ProvenShare) -> Iterator[str]:
    """Yield one line where the last run's window was longer by days, or its rows or its grade clearly more."""
    now = reached.assurance if reached else None
    # a range that slides is a day shorter where it begins at a midnight
    longer = earlier.days > share.days + 1
    # where no grade is reached, the verdict itself says so
    weaker = earlier.assurance is not None and now is not None and not now.reaches(earlier.assurance)
    if longer or weaker or earlier.rows > CLEARLY_MORE * share.rows:
        by = f" by {earlier.assurance}" if earlier.assurance else ""
        span = f", {earlier.first} to {earlier.last}" if earlier.days else ""
        yield (
            f"smaller than the last run of this controller, {earlier.run_id}: that compared "
            f"{count_of(earlier.rows, 'row')}{by}{span}; this one {share.words}"
        )


def _absent(result: RunResult, side: Capability) -> bool:
    return result.stack is not None and side in result.stack.absent


def _limits_of_the_job(job: JobCoverage, *, named: bool) -> Iterator[str]:
    if not named:
        yield "deleted sensors were left out: the job counts them by name only, and the API names none"
    if job.surplus:
        yield (
            f"the lake holds {count_of(job.surplus, 'row')} beyond those of Postgres, which can be copies that "
            "wait for compaction: a row lost beside a doubled one is not seen by a count"
        )


def wanting(result: RunResult, reached: Reached | None) -> str:
    """Say which grade was reached, and what to give for the one required, or what to accept; nothing if it was."""
    required, got = result.started.required, reached.assurance if reached else None
    if got and got.reaches(required):
        return ""
    accept = f", or accept it by --require {got}" if got else ""
    return f"{_WAS[required]} required and {_WAS[got]} reached: {_what_to_give(result)}{accept}"


def narrowing_settings(result: RunResult) -> tuple[str, ...]:
    """Return the settings that kept the job from counting all, where the grade required needs that."""
    given = {setting.name for setting in result.started.settings if setting.source != "default"}
    by_job = result.stack is not None and bool(BOTH_SIDES & set(result.stack.absent))
    asked = by_job and result.started.required is Assurance.COUNTS
    return tuple(name for name in _NARROWING if name in given) if asked else ()


def _what_to_give(result: RunResult) -> str:
    absent = {
        side: why for side, why in (result.stack.absent if result.stack else {}).items() if side in BOTH_SIDES
    }
    if flaw := seal_flaw(result):
        return flaw
    if narrowing := narrowing_settings(result):
        return f"leave {' and '.join(map(option_of, narrowing))} out"
    if absent:
        options = " and ".join(option for side, option in _GIVE.items() if side in absent)
        return f"give {options} (absent: {'; '.join(dict.fromkeys(absent.values()))})"
    if result.started.value_of("level") == "count":
        return "compare the rows too, by --level digest"
    return "see to the checks of it that were not proven"
