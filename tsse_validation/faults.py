"""The faults of a run, each told once: what triage has found, and the failed checks that no finding explains.

One damaged day fails many checks: the job's count, ours, the digests, the rows, a window. The reader wants the
fault. So a failed check is explained where triage tells what it failed by: it names the findings itself, or each
sensor and day that differs in its records lies within a finding. Any other failed check is a fault of its own.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial

from tsse_validation.diagnosis.tally import COUNTS_DIFFER, NAMED_SENSORS
from tsse_validation.domain.catalogue import PARITY_STEP, SOAK_STEP, Gate, step_label
from tsse_validation.domain.phrasing import count_of
from tsse_validation.domain.windows import Window
from tsse_validation.incremental import breach_in_words, breaches
from tsse_validation.runlog.records import CheckFinished, CheckStatus, Finding
from tsse_validation.runlog.result import RunResult

MOST_SUMMARIES = 3
"""Findings of one diagnosis that are told one by one."""
_WATCHED = "test_watermark_stays_recent_through_the_soak"
"""The check that tells of a breach, where the soak came to its end."""
_Place = tuple[str, frozenset[date]]
"""A sensor that differs, and the days on which it may; no day means that they are not known."""


@dataclass(frozen=True)
class Faults:
    """What speaks against the release, a line a fault, in the runbook's order.

    `explained` are the ids of the failed checks that the lines explain.
    """

    lines: tuple[str, ...]
    explained: tuple[str, ...]


def faults_of(result: RunResult) -> Faults:
    """Return the faults: one line for each diagnosis that is flagged, and for each failed check beside them."""
    findings = _told(result)
    failed = [check for check in result.checks if check.status is CheckStatus.FAILED]
    explained = [check for check in failed if _explains(findings, check, result)]
    own = [check for check in failed if check not in explained]
    lines = [
        *(_failure(check) for check in own if check.step < PARITY_STEP),
        *_by_diagnosis(findings),
        *(_failure(check) for check in own if check.step >= PARITY_STEP),
        *_breached(result, failed),
    ]
    return Faults(tuple(lines), tuple(check.check_id for check in explained))


def speaks_against(gate: Gate, result: RunResult) -> bool:
    """Whether records alone speak against a line of the gate, whatever its checks have come to."""
    if gate is Gate.PARITY:
        return any(finding.flagged for finding in result.findings)
    return gate is Gate.INCREMENTAL and bool(result.soak_breaches)


def _breached(result: RunResult, failed: Iterable[CheckFinished]) -> Iterator[str]:
    """Yield the breaches of a soak that was broken off before its check could fail."""
    if result.soak_breaches and not any(check.key == _WATCHED for check in failed):
        first, *more = breaches(result)
        also = f" And {count_of(len(more), 'time')} more." if more else ""
        yield f"{step_label(SOAK_STEP)}: {breach_in_words(first)}{also}"


def _failure(check: CheckFinished) -> str:
    return f"{step_label(check.step)}: {check.title}: {check.message}"


def _by_diagnosis(findings: Iterable[Finding]) -> Iterator[str]:
    summaries: dict[str, list[str]] = {}
    for finding in findings:
        of_diagnosis = summaries.setdefault(finding.diagnosis, [])
        if finding.summary not in of_diagnosis:
            of_diagnosis.append(finding.summary)
    for diagnosis, told in summaries.items():
        more = len(told) - MOST_SUMMARIES
        rest = f"; and {more} more" if more > 0 else ""
        yield f"{diagnosis}: {'; '.join(told[:MOST_SUMMARIES])}{rest}"


def _told(result: RunResult) -> list[Finding]:
    """Return the flagged findings, without those by counts alone whose sensors the others tell of."""
    flagged = [finding for finding in result.findings if finding.flagged]
    by_rows = [finding for finding in flagged if finding.diagnosis != COUNTS_DIFFER]
    return [
        finding
        for finding in flagged
        if finding.diagnosis != COUNTS_DIFFER
        or not _within(by_rows, [(sensor, frozenset(finding.days)) for sensor in finding.sensors])
    ]


def _explains(findings: Sequence[Finding], check: CheckFinished, result: RunResult) -> bool:
    if not check.triaged:
        return False
    if check.diagnoses:
        return {*check.diagnoses} <= {finding.diagnosis for finding in findings}
    places = _PLACES.get(check.key)
    return places is not None and _within(findings, list(places(result)))


def _within(findings: Sequence[Finding], places: Sequence[_Place]) -> bool:
    """Whether there is a place, and each lies within a finding."""
    return bool(places) and all(any(_tells_of(finding, place) for finding in findings) for place in places)


def _tells_of(finding: Finding, place: _Place) -> bool:
    """Whether a finding has a place's sensor, on one of its days; one that names the most may mean others, too."""
    sensor, days = place
    named = sensor in finding.sensors or len(finding.sensors) >= NAMED_SENSORS
    return named and (not days or not finding.days or not days.isdisjoint(finding.days))


def _of_the_job(result: RunResult) -> Iterator[_Place]:
    for counts in result.counts:
        if counts.source == "job":
            yield from (
                (row.sensor_id, frozenset(counts.window.days()))
                for row in counts.rows
                if not row.matches and row.sensor_id not in counts.late
            )


def _of_our_counts(result: RunResult) -> Iterator[_Place]:
    for counts in result.counts:
        if counts.source == "direct":
            yield from (
                (row.sensor_id, frozenset(counts.window.days() if row.day is None else (row.day,)))
                for row in counts.rows
                if not row.matches
            )


def _of_windows(source: str, result: RunResult) -> Iterator[_Place]:
    for window in result.windows:
        if window.source == source:
            days = frozenset(Window(window.start, window.end).days())
            yield from ((sensor, days) for sensor in window.mismatching)


_PLACES: Mapping[str, Callable[[RunResult], Iterator[_Place]]] = {
    "test_parity_job_finds_no_mismatch": _of_the_job,
    "test_counts_agree_for_every_sensor": _of_our_counts,
    "test_counts_agree_for_every_sensor_and_day": _of_our_counts,
    "test_random_windows_agree_by_direct_count": partial(_of_windows, "direct"),
    "test_random_windows_agree_by_the_parity_job": partial(_of_windows, "job"),
}
"""By the check's key, where the records say what differs."""
