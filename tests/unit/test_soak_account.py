"""A soak that was asked for is a part of the verdict: nothing of it may be missing, short or broken in silence."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from tests.support.builders import WATERMARK, finished, good_run, planned
from tests.support.soaked import soak_began
from tsse_validation.domain.catalogue import SOAK_CHECKS, Gate
from tsse_validation.domain.outcome import Outcome
from tsse_validation.runlog.records import CheckFinished, CheckStatus, Record, RunStarted, SettingValue
from tsse_validation.runlog.result import RunResult
from tsse_validation.runlog.soak_records import SoakBreach, SoakSeen
from tsse_validation.verdict import Verdict, decide

RECENT, *_ = SOAK_CHECKS


def seen(**changes: object) -> SoakSeen:
    fields: dict[str, object] = {
        "at": WATERMARK + timedelta(minutes=10),
        "asked_seconds": 600,
        "seconds": 600,
        "proven_seconds": 600,
        "samples": 61,
        "longest_gap_seconds": 10.2,
        "age_max_seconds": 130,
        "age_max_at": WATERMARK,
        "age_p50_seconds": 90,
        "age_p95_seconds": 120,
        "age_p99_seconds": 130,
        "backlog_max_seconds": 60,
        "breaches": 0,
        "rows_proven": 1000,
        "slices": 10,
        "old_days": 1,
        "ended": "completed",
    }
    return SoakSeen.model_validate(fields | changes)


def soaked(*records: Record, soak: str = "10m") -> list[Record]:
    """Return a good run that was asked to soak, with these records of it."""
    run = good_run()
    (start,) = [record for record in run if isinstance(record, RunStarted)]
    asked = SettingValue(name="soak", value=soak, source="command line")
    started = start.model_copy(update={"settings": (*start.settings, asked)})
    return [started, *(record for record in run if record is not start), *records]


def checks(status: CheckStatus = CheckStatus.PASSED, *, of: Sequence[str] = tuple(SOAK_CHECKS)) -> list[Record]:
    return [record for key in of for record in (planned(key), finished(key, status))]


def verdict(records: Sequence[Record]) -> Verdict:
    return decide(RunResult.from_records(records))


def line(found: Verdict, gate: Gate) -> Outcome:
    return next(one.outcome for one in found.gates if one.gate is gate)


def test_a_soak_that_proves_all_of_its_time_is_go_and_its_gate_line_says_what_it_rests_on() -> None:
    found = verdict(soaked(*checks(), soak_began(600), seen()))
    assert found.outcome is Outcome.GO
    assert [bool(one.rests_on) for one in found.gates] == [one.gate is Gate.INCREMENTAL for one in found.gates]


def test_without_a_soak_nothing_of_it_is_missed() -> None:
    found = verdict(soaked(soak="0"))
    assert (found.outcome, found.not_checked) == (Outcome.GO, ())
    assert not any("Soak" in said for one in found.gates for said in one.rests_on or ())


@pytest.mark.parametrize("key", SOAK_CHECKS)
def test_a_failed_check_of_the_soak_is_no_go_on_its_line_of_the_gate(key: str) -> None:
    rest = [other for other in SOAK_CHECKS if other != key]
    found = verdict(soaked(*checks(of=rest), *checks(CheckStatus.FAILED, of=[key]), seen()))
    assert found.outcome is Outcome.NO_GO
    for one in found.gates:
        assert (one.outcome is Outcome.NO_GO) == (one.gate is SOAK_CHECKS[key].gate)


@pytest.mark.parametrize("key", SOAK_CHECKS)
@pytest.mark.parametrize("how", ["never planned", "deselected", "not run", "unproven", "not checked"])
def test_a_check_of_the_soak_that_was_not_made_leaves_the_run_incomplete(key: str, how: str) -> None:
    of_it: dict[str, list[Record]] = {
        "never planned": [],
        "deselected": [planned(key).model_copy(update={"selected": False})],
        "not run": [planned(key)],
        "unproven": checks(CheckStatus.UNPROVEN, of=[key]),
        "not checked": checks(CheckStatus.NOT_CHECKED, of=[key]),
    }
    rest = [other for other in SOAK_CHECKS if other != key]
    found = verdict(soaked(*checks(of=rest), *of_it[how], seen()))
    assert found.outcome is Outcome.INCOMPLETE
    assert [missing.key for missing in found.not_checked] == [key]
    gate = SOAK_CHECKS[key].gate
    assert gate is not None
    assert line(found, gate) is Outcome.INCOMPLETE


@pytest.mark.parametrize(
    ("records", "says"),
    [
        ([], "a soak of 10m was asked for, and no sample of it was taken"),
        ([seen(samples=0)], "no sample of it was taken"),
        ([seen(ended="interrupted")], "the soak of 10m did not come to its end"),
        ([seen(ended="")], "the soak of 10m did not come to its end"),
        ([seen(proven_seconds=593)], "9m53s of the soak's 10m are proven (61 samples, at the most 10 s apart)"),
    ],
)
def test_what_the_soaks_own_records_lack_is_a_gap_whatever_its_checks_say(
    records: list[Record], says: str
) -> None:
    found = verdict(soaked(*checks(), *records))
    assert found.outcome is Outcome.INCOMPLETE
    assert line(found, Gate.INCREMENTAL) is Outcome.INCOMPLETE
    assert any(says in reason for reason in found.reasons)


def test_less_than_a_hundredth_of_the_time_may_be_without_proof() -> None:
    assert verdict(soaked(*checks(), seen(proven_seconds=594))).outcome is Outcome.GO


def test_a_soak_alone_proves_no_line_of_the_gate() -> None:
    run = [record for record in soaked(*checks(), seen()) if not isinstance(record, CheckFinished)]
    found = verdict([*run, *(record for record in checks() if isinstance(record, CheckFinished))])
    assert "nothing is proven" in next(one.gaps for one in found.gates if one.gate is Gate.INCREMENTAL)


def test_a_breach_is_no_go_even_where_the_soak_was_broken_off_before_its_check() -> None:
    breach = SoakBreach(start=WATERMARK, end=None, worst_seconds=700.0, worst_at=WATERMARK)
    found = verdict(soaked(soak_began(600), breach, seen(ended="interrupted")))
    assert found.outcome is Outcome.NO_GO
    assert line(found, Gate.INCREMENTAL) is Outcome.NO_GO
    assert found.reasons[0].startswith("step 9 (soak): Breach from 2026-01-24 16:29:48 UTC")


def test_a_breach_that_its_check_tells_is_told_once() -> None:
    breach = SoakBreach(start=WATERMARK, end=None, worst_seconds=700.0, worst_at=WATERMARK)
    failed = [planned(RECENT), finished(RECENT, CheckStatus.FAILED)]
    found = verdict(soaked(*checks(of=[key for key in SOAK_CHECKS if key != RECENT]), *failed, breach, seen()))
    assert found.faults == 1
