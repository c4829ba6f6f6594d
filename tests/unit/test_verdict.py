"""The verdict over runs of every kind: it must never be GO when something was not proven."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.builders import (
    WATERMARK,
    count_row,
    counts_taken,
    evidence_records,
    finished,
    good_run,
    job_coverage,
    planned,
    rows_compared,
    run_started,
    stack_described,
)
from tsse_validation.domain.assurance import Assurance
from tsse_validation.domain.catalogue import (
    BOTH_SIDES,
    CHECKS,
    CONFORMANCE_CHECKS,
    GATE_TITLES,
    HELPER_CHECKS,
    PARITY_STEP,
    Gate,
)
from tsse_validation.domain.contract import BACKFILL_GATE_DAYS
from tsse_validation.domain.outcome import EXIT_CODES, EXIT_LEAK, Outcome
from tsse_validation.domain.stack import Capability
from tsse_validation.runlog.records import (
    BackfillSeen,
    CheckFinished,
    CheckPlanned,
    CheckStarted,
    CheckStatus,
    CountsTaken,
    Finding,
    Record,
    RowsCompared,
    RunFinished,
    RunStarted,
    ServiceEnded,
    SettingValue,
    StackDescribed,
)
from tsse_validation.runlog.result import RunResult
from tsse_validation.runlog.seal_record import SealUsed
from tsse_validation.runlog.setting_record import NOT_SET
from tsse_validation.verdict import EXCUSABLE, Verdict, decide

PROVEN = (CheckStatus.PASSED, CheckStatus.WARNED)
STATUSES = st.sampled_from(CheckStatus)
KEYS = st.sampled_from(sorted(CHECKS))
STEP_5 = "step 5 (watermark and partitions)"


def verdict(records: Sequence[Record]) -> Verdict:
    return decide(RunResult.from_records(records))


def without(records: Sequence[Record], *kinds: type[Record]) -> list[Record]:
    return [record for record in records if not isinstance(record, kinds)]


def unfinished(*keys: str) -> list[Record]:
    """Return a good run whose checks of these keys did not end."""
    return [record for record in good_run() if not (isinstance(record, CheckFinished) and record.key in keys)]


def stopped(reason: str) -> list[Record]:
    end = RunFinished.model_validate({"at": WATERMARK, "reason": reason, "message": "why"})
    return [*without(good_run(), RunFinished), end]


def backfilled(days: int, status: str = "completed") -> list[Record]:
    seen = BackfillSeen(job_id="a-job", status=status, days=days, seconds=1.0)
    return [*without(good_run(), BackfillSeen), seen]


def finding(*, flagged: bool) -> list[Record]:
    return [*good_run(), Finding(diagnosis="rows missing", flagged=flagged, summary="7 rows")]


def with_check(key: str, status: CheckStatus, records: Sequence[Record] | None = None) -> list[Record]:
    return [*(records or good_run()), planned(key), finished(key, status, "the reason")]


def test_a_run_that_proves_everything_is_go() -> None:
    found = verdict(good_run())
    assert found.outcome is Outcome.GO
    assert found.exit_code == 0
    assert found.not_checked == ()
    assert all(line.outcome is Outcome.GO and not line.gaps and line.evidence for line in found.gates)
    assert (found.sensors_compared, found.rows_compared) == (1, 300)


# ---- every way to fall short -----------------------------------------------------------------------------------


@pytest.mark.parametrize("key", CHECKS)
def test_any_failed_check_is_no_go_and_gives_its_reason(key: str) -> None:
    found = verdict(good_run({key: CheckStatus.FAILED}))
    assert found.outcome is Outcome.NO_GO
    assert found.exit_code == 1
    assert f"as {key}" in found.reasons[0]
    for line in found.gates:
        assert (line.outcome is Outcome.NO_GO) == (line.gate is CHECKS[key].gate)


@pytest.mark.parametrize("status", [CheckStatus.UNPROVEN, CheckStatus.BLOCKED, CheckStatus.NOT_CHECKED])
@pytest.mark.parametrize("key", CHECKS)
def test_any_check_that_was_not_proven_is_incomplete(key: str, status: CheckStatus) -> None:
    found = verdict(good_run({key: status}))
    assert found.outcome is Outcome.INCOMPLETE
    assert found.exit_code == 6
    assert [(missing.key, missing.tolerated) for missing in found.not_checked] == [(key, False)]
    # where a grade takes the check, the line of parity is open with it
    lines = {CHECKS[key].gate, *([Gate.PARITY] if CHECKS[key].proves else [])}
    for line in found.gates:
        assert (line.outcome is Outcome.INCOMPLETE) == (line.gate in lines)


@pytest.mark.parametrize("planned_so", [True, False])
@pytest.mark.parametrize("key", CHECKS)
def test_a_check_that_was_deselected_or_never_selected_is_incomplete(key: str, planned_so: bool) -> None:
    records = [record for record in good_run() if getattr(record, "key", None) != key]
    found = verdict([*records, planned(key, selected=False)] if planned_so else records)
    assert found.outcome is Outcome.INCOMPLETE
    reason = "deselected" if planned_so else "not part of this run's selection"
    assert [missing.reason for missing in found.not_checked] == [reason]


def sampled(required: Assurance) -> list[Record]:
    """Return a run by the API alone, of which the job has counted one window."""
    counts = counts_taken(count_row("a", 7, 7), source="job")
    direct = {key: CheckStatus.NOT_CHECKED for key, spec in CHECKS.items() if spec.requires & BOTH_SIDES}
    records = without(good_run(direct, required), CountsTaken, RowsCompared, StackDescribed)
    return [*records, stack_described(*BOTH_SIDES, strict=False), counts]


def by_our_counts(required: Assurance) -> list[Record]:
    """Return a run that counted both sides itself and compared no row."""
    level = {key: CheckStatus.NOT_CHECKED for key, spec in CHECKS.items() if spec.proves is Assurance.PROOF}
    return without(good_run(level, required), RowsCompared)


CONFORMANCE_KEY = next(iter(CONFORMANCE_CHECKS))
RECENT, NEVER_RETREATS = "test_watermark_is_recent", "test_watermark_never_retreats"
NO_BACKFILL = ("test_backfill_job_completes", "test_backfill_keeps_its_promises")
ENDED = ServiceEnded(name="controller", at=WATERMARK, how="signal SIGKILL", log_tail=("panicked",))
CASE = CheckPlanned(
    check_id="random_windows[empty]", key="test_random_windows_agree_by_direct_count", step=7, selected=False
)
OUTCOMES: dict[str, tuple[Sequence[Record], Outcome, str | None]] = {
    "one case of a check is deselected": ([*good_run(), CASE], Outcome.INCOMPLETE, None),
    "a check was planned and never ran": (unfinished(RECENT), Outcome.INCOMPLETE, None),
    "crashed": (
        without(good_run(), RunFinished),
        Outcome.INCOMPLETE,
        "the run did not end: its log stops in the middle",
    ),
    "interrupted": (
        stopped("interrupted"),
        Outcome.INCOMPLETE,
        "the run did not come to its end (interrupted): why",
    ),
    "internal error": (
        stopped("internal_error"),
        Outcome.INCOMPLETE,
        "the run did not come to its end (internal error): why",
    ),
    "counts do not stand for rows that were to be compared": (
        [*without(good_run(), RowsCompared), rows_compared(0)],
        Outcome.INCOMPLETE,
        "no row was compared",
    ),
    "no count": (without(good_run(), CountsTaken), Outcome.INCOMPLETE, "no sensor was compared"),
    "just enough days backfilled": (backfilled(BACKFILL_GATE_DAYS), Outcome.GO, None),
    "more than enough days backfilled": (backfilled(365), Outcome.GO, None),
    "backfill failed": (backfilled(90, "failed"), Outcome.INCOMPLETE, None),
    "backfill canceled": (backfilled(90, "canceled"), Outcome.INCOMPLETE, None),
    "backfill running": (backfilled(90, "running"), Outcome.INCOMPLETE, None),
    "backfill skipped": (
        without(good_run(dict.fromkeys(NO_BACKFILL, CheckStatus.NOT_CHECKED)), BackfillSeen),
        Outcome.INCOMPLETE,
        None,
    ),
    "flagged finding though every check passed": (
        finding(flagged=True),
        Outcome.NO_GO,
        "rows missing: 7 rows",
    ),
    "explained finding": (finding(flagged=False), Outcome.GO, None),
    "uncatalogued check skipped": (
        with_check("test_something_new", CheckStatus.NOT_CHECKED),
        Outcome.INCOMPLETE,
        "step 8 (conformance): test_something_new: the reason",
    ),
    "uncatalogued check failed": (with_check("test_something_new", CheckStatus.FAILED), Outcome.NO_GO, None),
    "uncatalogued check passed": (with_check("test_something_new", CheckStatus.PASSED), Outcome.GO, None),
    "failed once and passed when run again": (
        [*good_run(), finished(RECENT, CheckStatus.FAILED, "once")],
        Outcome.NO_GO,
        None,
    ),
    "conformance alone": (
        with_check(CONFORMANCE_KEY, CheckStatus.PASSED, without(good_run(), CheckFinished, CheckPlanned)),
        Outcome.INCOMPLETE,
        None,
    ),
    "a service ended in the middle": (
        [*good_run(), ENDED],
        Outcome.INCOMPLETE,
        "controller ended in the middle of the run, with signal SIGKILL",
    ),
}


@pytest.mark.parametrize(("records", "outcome", "reason"), OUTCOMES.values(), ids=OUTCOMES)
def test_a_run_of_each_kind_has_its_outcome(records: list[Record], outcome: Outcome, reason: str | None) -> None:
    found = verdict(records)
    assert found.outcome is outcome
    assert reason is None or reason in found.reasons


def test_a_check_that_was_interrupted_is_incomplete_and_named() -> None:
    found = verdict([*unfinished(RECENT), CheckStarted(check_id="watermark_is_recent", at=WATERMARK)])
    assert found.outcome is Outcome.INCOMPLETE
    assert [missing.key for missing in found.not_checked] == [RECENT]


def test_a_run_that_did_nothing_is_incomplete_in_every_line() -> None:
    found = verdict([run_started()])
    assert found.outcome is Outcome.INCOMPLETE
    assert {line.outcome for line in found.gates} == {Outcome.INCOMPLETE}
    assert len(found.not_checked) == len(CHECKS)
    assert "no stack was reached" in found.basis


def test_a_run_that_compared_no_row_is_incomplete() -> None:
    records = without(good_run(), CountsTaken, RowsCompared)
    found = verdict([*records, counts_taken(count_row("a", 0, 0), count_row("b", 0, 0))])
    assert found.outcome is Outcome.INCOMPLETE
    assert {"no sensor was compared", "no row was compared"} <= set(found.reasons)


@pytest.mark.parametrize("days", [0, 1, BACKFILL_GATE_DAYS - 1, None])
def test_a_backfill_of_fewer_days_than_the_gate_asks_for_or_of_none_is_incomplete(days: int | None) -> None:
    found = verdict(without(good_run(), BackfillSeen) if days is None else backfilled(days))
    assert found.outcome is Outcome.INCOMPLETE
    assert line_of(Gate.BACKFILL, found) == (Outcome.INCOMPLETE, (f"{days or 0} of 90 days were backfilled",))


def test_a_failure_outweighs_what_was_not_checked() -> None:
    keys = iter(CHECKS)
    statuses = {next(keys): CheckStatus.BLOCKED, next(keys): CheckStatus.FAILED}
    found = verdict(good_run(statuses))
    assert found.outcome is Outcome.NO_GO
    assert len(found.reasons) >= 2


def retold(records: Sequence[Record], message: str) -> list[Record]:
    return [r.model_copy(update={"message": message}) if isinstance(r, CheckFinished) else r for r in records]


def test_a_blocked_step_is_one_reason_and_not_ten() -> None:
    blocked = dict.fromkeys((key for key, spec in CHECKS.items() if spec.step == 6), CheckStatus.BLOCKED)
    records = retold(good_run(blocked), "blocked by step 4")
    reasons = [reason for reason in verdict(records).reasons if reason.startswith("step 6")]
    assert reasons == [f"step 6 (parity): {len(blocked)} checks: blocked by step 4"]


# ---- what is excused on a live controller ----------------------------------------------------------------------


def live_run(
    *absent: Capability,
    strict: bool = False,
    status: CheckStatus = CheckStatus.NOT_CHECKED,
    required: Assurance = Assurance.COUNTS,
) -> list[Record]:
    """Return a run on an installed controller, whose job has counted all that could not be read."""
    missing = {key: status for key, spec in CHECKS.items() if spec.requires & set(absent)}
    records = without(good_run(missing, required), StackDescribed)
    return [*records, stack_described(*absent, strict=strict), job_coverage()]


@pytest.mark.parametrize("capability", sorted(EXCUSABLE))
def test_what_the_operator_of_a_live_controller_could_not_give_is_excused_and_said(capability: Capability) -> None:
    found = verdict(live_run(capability))
    assert found.outcome is Outcome.GO
    assert found.not_checked
    assert all(missing.tolerated for missing in found.not_checked)


@pytest.mark.parametrize("side", sorted(BOTH_SIDES))
def test_a_side_that_could_not_be_read_is_not_excused_where_a_proof_is_required(side: Capability) -> None:
    found = verdict(live_run(side, required=Assurance.PROOF))
    assert (found.outcome, found.assurance) == (Outcome.INCOMPLETE, Assurance.COUNTS)
    assert not any(missing.tolerated for missing in found.not_checked)
    assert len(found.reasons) == 1


@pytest.mark.parametrize("capability", sorted(EXCUSABLE - BOTH_SIDES))
def test_what_no_proof_rests_on_is_excused_where_a_proof_is_required(capability: Capability) -> None:
    found = verdict(live_run(capability, required=Assurance.PROOF))
    assert (found.outcome, found.assurance, found.label) == (Outcome.GO, Assurance.PROOF, "GO")


# ---- the grade that GO needs -----------------------------------------------------------------------------------

UNREAD = (Capability.POSTGRES, Capability.LAKE)
JOBS_WINDOWS = "test_random_windows_agree_by_the_parity_job"


def set_to(name: str, value: str) -> SettingValue:
    return SettingValue(name=name, value=value, source="command line")


def with_settings(records: Sequence[Record], *settings: SettingValue) -> list[Record]:
    return [r.model_copy(update={"settings": settings}) if isinstance(r, RunStarted) else r for r in records]


GRADES: dict[str, tuple[Sequence[Record], Outcome, str | None, str]] = {
    "by the job, proof required": (
        live_run(*UNREAD, required=Assurance.PROOF),
        Outcome.INCOMPLETE,
        "counts",
        (
            "proof was required and counts were reached: give --database-url (or --setup-config) and --hot-path "
            "(absent: it was not given), or accept it by --require counts"
        ),
    ),
    "by the job, counts required": (live_run(*UNREAD), Outcome.GO, "counts", "every check of the runbook"),
    "by the job, a sample required": (
        live_run(*UNREAD, required=Assurance.SAMPLE),
        Outcome.GO,
        "counts",
        "every check of the runbook",
    ),
    "a lake alone is missing": (
        live_run(Capability.LAKE, required=Assurance.PROOF),
        Outcome.INCOMPLETE,
        "counts",
        (
            "proof was required and counts were reached: give --hot-path (absent: it was not given), or accept it "
            "by --require counts"
        ),
    ),
    "a sample, counts required": (
        with_settings(sampled(Assurance.COUNTS), set_to("sample", "5"), set_to("sensor_ids", "a")),
        Outcome.INCOMPLETE,
        "sample",
        (
            "counts were required and a sample was reached: leave --sample and --sensor-ids out, or accept it by "
            "--require sample"
        ),
    ),
    "a sample, and accepted": (sampled(Assurance.SAMPLE), Outcome.GO, "sample", "every check of the runbook"),
    "our own counts, proof required": (
        with_settings(by_our_counts(Assurance.PROOF), set_to("level", "count")),
        Outcome.INCOMPLETE,
        "counts",
        (
            "proof was required and counts were reached: compare the rows too, by --level digest, or accept it by "
            "--require counts"
        ),
    ),
    "our own counts, and accepted": (
        by_our_counts(Assurance.COUNTS),
        Outcome.GO,
        "counts",
        "every check of the runbook",
    ),
    "nothing was counted": (
        [r for r in sampled(Assurance.SAMPLE) if not isinstance(r, CountsTaken)],
        Outcome.INCOMPLETE,
        None,
        (
            "a sample was required and no grade was reached: give --database-url (or --setup-config) and "
            "--hot-path (absent: it was not given)"
        ),
    ),
}


@pytest.mark.parametrize(("records", "outcome", "grade", "reason"), GRADES.values(), ids=GRADES)
def test_go_needs_the_grade_that_is_required(
    records: Sequence[Record], outcome: Outcome, grade: str | None, reason: str
) -> None:
    found = verdict(records)
    assert (found.outcome, found.assurance) == (outcome, grade)
    assert any(line.startswith(reason) for line in found.reasons), found.reasons
    assert found.label == ("GO by " + str(grade) if outcome is Outcome.GO else outcome.value)


@pytest.mark.parametrize("key", ["test_database_is_the_controllers", "test_database_is_as_new_as_the_watermark"])
@pytest.mark.parametrize("required", Assurance)
def test_a_database_that_is_not_proven_to_be_the_controllers_is_never_go(required: Assurance, key: str) -> None:
    found = verdict(good_run({key: CheckStatus.NOT_CHECKED}, required))
    assert found.outcome is Outcome.INCOMPLETE
    assert found.assurance is None


def test_the_gate_s_line_of_parity_is_open_for_want_of_a_grade() -> None:
    outcome, gaps = line_of(Gate.PARITY, verdict(live_run(*UNREAD, required=Assurance.PROOF)))
    assert outcome is Outcome.INCOMPLETE
    assert gaps[0].startswith("proof was required and counts were reached")


def test_what_may_not_be_read_is_named_with_what_to_give() -> None:
    why = "/lake/hot is there, and this user may not read it"
    stack = stack_described(Capability.LAKE, strict=False).model_copy(update={"absent": {Capability.LAKE: why}})
    records = [*without(live_run(Capability.LAKE, required=Assurance.PROOF), StackDescribed), stack]
    assert f"give --hot-path (absent: {why})" in verdict(records).reasons[0]


def test_a_lower_grade_that_was_accepted_takes_nothing_from_a_proof() -> None:
    found = verdict(good_run(required=Assurance.COUNTS))
    assert (found.label, found.assurance, found.required) == ("GO", Assurance.PROOF, Assurance.COUNTS)


def test_the_option_that_accepted_less_is_named_with_its_source() -> None:
    records = with_settings(live_run(*UNREAD), set_to("require", "counts"))
    assert verdict(records).accepted_by == "--require counts (command line)"
    assert verdict(good_run()).accepted_by == ""


def unaffordable(key: str, records: Sequence[Record]) -> list[Record]:
    left_out = finished(key, CheckStatus.NOT_CHECKED, "The budget is spent.", for_want_of_posts=True)
    return [*(r for r in records if not (isinstance(r, CheckFinished) and r.key == key)), left_out]


def test_windows_of_the_job_for_which_no_post_was_left_are_excused_beside_a_proof_and_said() -> None:
    found = verdict(unaffordable(JOBS_WINDOWS, good_run()))
    assert found.outcome is Outcome.GO
    assert [(missing.reason, missing.tolerated) for missing in found.not_checked] == [
        ("The budget is spent.", True)
    ]


def test_no_other_check_and_no_lower_grade_is_excused_for_want_of_posts() -> None:
    assert verdict(unaffordable("test_parity_job_finds_no_mismatch", good_run())).outcome is Outcome.INCOMPLETE
    assert verdict(unaffordable(JOBS_WINDOWS, live_run(*UNREAD))).outcome is Outcome.INCOMPLETE
    assert verdict(good_run({JOBS_WINDOWS: CheckStatus.NOT_CHECKED})).outcome is Outcome.INCOMPLETE


DIRECT_WINDOWS = "test_random_windows_agree_by_direct_count"
LAKE_SEALED = SealUsed(
    side="lake",
    path="/r/lake.seal",
    sha256="0" * 64,
    made_at=datetime(2026, 1, 2, tzinfo=UTC),
    host="farm",
    user="tsse",
    suite_version="1",
    as_of="1" * 64,
    days=1,
    rows=1,
    left=0,
)


def left_to_seal(records: Sequence[Record]) -> list[Record]:
    left_out = finished(DIRECT_WINDOWS, CheckStatus.NOT_CHECKED, "left out: no windows", left_to_seal=True)
    return [*(r for r in records if not (isinstance(r, CheckFinished) and r.key == DIRECT_WINDOWS)), left_out]


def test_windows_that_a_seal_cannot_hold_are_excused_beside_a_proof_by_it_and_said() -> None:
    found = verdict([*left_to_seal(good_run()), LAKE_SEALED])
    assert found.outcome is Outcome.GO
    assert [(one.reason, one.tolerated) for one in found.not_checked] == [("left out: no windows", True)]


def test_nothing_is_left_to_a_seal_that_was_not_taken_or_below_a_proof() -> None:
    assert verdict(left_to_seal(good_run())).outcome is Outcome.INCOMPLETE
    of_postgres = LAKE_SEALED.model_copy(update={"side": "postgres"})
    assert verdict([*left_to_seal(good_run()), of_postgres]).outcome is Outcome.INCOMPLETE
    unproven = good_run({"test_counts_agree_for_every_sensor": CheckStatus.UNPROVEN})
    assert verdict([*left_to_seal(unproven), LAKE_SEALED]).outcome is Outcome.INCOMPLETE


@pytest.mark.parametrize(
    "records",
    [
        *(live_run(capability, strict=True) for capability in sorted(Capability)),
        live_run(Capability.QDRANT),
        *(live_run(Capability.POSTGRES, status=tried) for tried in (CheckStatus.UNPROVEN, CheckStatus.BLOCKED)),
    ],
    ids=[*(f"strict-{capability}" for capability in sorted(Capability)), "qdrant", "tried", "blocked"],
)
def test_nothing_else_is_excused(records: list[Record]) -> None:
    assert verdict(records).outcome is Outcome.INCOMPLETE


def test_a_check_that_needs_nothing_absent_is_not_excused() -> None:
    key = "test_parity_job_finds_no_mismatch"
    records = [r for r in live_run(Capability.POSTGRES) if not (isinstance(r, CheckFinished) and r.key == key)]
    assert verdict([*records, finished(key, CheckStatus.NOT_CHECKED, "no row")]).outcome is Outcome.INCOMPLETE


def test_the_verdict_says_what_it_rests_on() -> None:
    assert "our own reading" in verdict(good_run()).basis
    for capability in (Capability.POSTGRES, Capability.LAKE):
        assert "the controller's own counts" in verdict(live_run(capability)).basis


# ---- any run ---------------------------------------------------------------------------------------------------

FINISHES = st.sampled_from(["completed", "completed", "interrupted", "internal_error", None])


@st.composite
def any_run(draw: st.DrawFn) -> list[Record]:
    """Draw a run in which a few things are not as they should be, or nothing is."""
    changed = draw(st.dictionaries(KEYS, STATUSES | st.none(), max_size=4))
    deselected = draw(st.sets(KEYS, max_size=2))
    absent = draw(st.sets(st.sampled_from(Capability), max_size=3))
    records: list[Record] = [run_started(required=draw(st.sampled_from(Assurance)))]
    if draw(st.integers(0, 9)):
        records.append(stack_described(*absent, strict=draw(st.booleans())))
    unplanned = draw(st.just(frozenset[str]()) | st.frozensets(KEYS, max_size=2))
    records += [planned(key, selected=key not in deselected) for key in CHECKS if key not in unplanned]
    for key in CHECKS:
        status = changed.get(key, CheckStatus.PASSED)
        if status is not None and key not in deselected:
            records.append(finished(key, status, "a reason"))
    records += evidence_records(
        days=draw(st.sampled_from([89, 90, 90, 90])), rows=draw(st.sampled_from([0, 1, 9]))
    )
    if draw(st.booleans()):
        records.append(counts_taken(count_row("a", draw(st.integers(0, 2)), 2), source="job"))
    if draw(st.booleans()):
        records.append(job_coverage(draw(st.integers(0, 2)), known=draw(st.none() | st.integers(3, 5))))
    if draw(st.integers(0, 9)) == 0:
        records.append(Finding(diagnosis="x", flagged=draw(st.booleans()), summary="y"))
    reason = draw(FINISHES)
    if reason is not None:
        records.append(RunFinished.model_validate({"at": WATERMARK, "reason": reason}))
    return records


def excused(key: str, result: RunResult) -> bool:
    stack, spec, required = result.stack, CHECKS[key], result.started.required
    if (
        spec.step == PARITY_STEP
        and spec.proves
        and spec.by_our_reading
        and spec.proves.strength > required.strength
    ):
        return True
    could_be_absent = EXCUSABLE - (BOTH_SIDES if required is Assurance.PROOF else frozenset())
    return stack is not None and not stack.strict and bool(spec.requires & could_be_absent & set(stack.absent))


def everything_is_proven_or_excused(result: RunResult) -> bool:
    for key in CHECKS:
        statuses = [check.status for check in result.checks if check.key == key]
        plans = [plan for plan in result.planned if plan.key == key]
        if not statuses or not plans:
            return False
        for status in statuses:
            if status not in PROVEN and not (status is CheckStatus.NOT_CHECKED and excused(key, result)):
                return False
    return True


@given(any_run())
def test_a_run_is_go_only_when_every_check_is_proven_or_excused(records: list[Record]) -> None:
    result = RunResult.from_records(records)
    if decide(result).outcome is Outcome.GO:
        assert everything_is_proven_or_excused(result)
        assert result.finished is not None
        assert result.finished.reason == "completed"
        assert not any(finding.flagged for finding in result.findings)
        assert any(backfill.days >= BACKFILL_GATE_DAYS for backfill in result.backfills)
        assert sum(row.postgres for counts in result.counts for row in counts.rows) > 0


@given(any_run())
def test_no_run_is_go_with_a_grade_below_the_required_one(records: list[Record]) -> None:
    found = verdict(records)
    if found.outcome is Outcome.GO:
        assert found.assurance is not None
        assert found.assurance.reaches(found.required)
        assert "by " + found.assurance in found.label or found.assurance is Assurance.PROOF
    elif found.outcome is Outcome.INCOMPLETE and (
        found.assurance is None or not found.assurance.reaches(found.required)
    ):
        assert any("required and" in reason for reason in found.reasons)


@given(any_run())
def test_a_run_is_no_go_exactly_when_something_speaks_against_the_release(records: list[Record]) -> None:
    result = RunResult.from_records(records)
    against = any(check.status is CheckStatus.FAILED for check in result.checks)
    against = against or any(finding.flagged for finding in result.findings)
    assert (decide(result).outcome is Outcome.NO_GO) == against


@given(any_run())
def test_gate_lines_and_outcome_never_contradict_each_other(records: list[Record]) -> None:
    found = decide(RunResult.from_records(records))
    outcomes = {line.outcome for line in found.gates}
    assert [line.gate for line in found.gates] == list(Gate)
    if found.outcome is Outcome.GO:
        assert outcomes == {Outcome.GO}
    if Outcome.NO_GO in outcomes:
        assert found.outcome is Outcome.NO_GO
    if Outcome.INCOMPLETE in outcomes:
        assert found.outcome is not Outcome.GO
    for line in found.gates:
        assert bool(line.gaps) or line.outcome is not Outcome.INCOMPLETE


@given(any_run())
def test_every_verdict_has_a_reason_and_an_exit_code_of_its_own(records: list[Record]) -> None:
    found = decide(RunResult.from_records(records))
    assert found.reasons
    assert found.exit_code == EXIT_CODES[found.outcome]


@given(any_run(), st.randoms(use_true_random=False))
def test_the_order_of_the_records_does_not_change_the_outcome(records: list[Record], random: object) -> None:
    shuffled = records[:]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert verdict(shuffled).outcome is verdict(records).outcome


def test_exit_codes_are_not_those_of_pytest() -> None:
    assert len({*EXIT_CODES.values(), EXIT_LEAK}) == 4
    assert not {*EXIT_CODES.values(), EXIT_LEAK} & {2, 3, 4, 5}


@pytest.mark.parametrize("beside", [(), (planned(CONFORMANCE_KEY, selected=False),)])
def test_conformance_that_was_not_asked_for_does_not_matter(beside: tuple[Record, ...]) -> None:
    found = verdict([*good_run(), *beside])
    assert (found.outcome, found.not_checked) == (Outcome.GO, ())


@pytest.mark.parametrize("status", CheckStatus)
def test_conformance_that_was_asked_for_counts(status: CheckStatus) -> None:
    found = verdict([*good_run(), planned(CONFORMANCE_KEY), finished(CONFORMANCE_KEY, status, "contract 3: no")])
    wanted = (
        Outcome.NO_GO if status is CheckStatus.FAILED else Outcome.GO if status in PROVEN else Outcome.INCOMPLETE
    )
    assert found.outcome is wanted


def test_conformance_that_was_asked_for_and_did_not_end_is_missed() -> None:
    found = verdict([*good_run(), planned(CONFORMANCE_KEY)])
    assert found.outcome is Outcome.INCOMPLETE
    assert [(missing.key, missing.reason) for missing in found.not_checked] == [(CONFORMANCE_KEY, "not run")]


# ---- what each line and each reason rests on -------------------------------------------------------------------


def line_of(gate: Gate, found: Verdict) -> tuple[Outcome, tuple[str, ...]]:
    (line,) = [line for line in found.gates if line.gate is gate]
    return line.outcome, line.gaps


@pytest.mark.parametrize("gate", Gate)
def test_a_gate_line_is_proven_by_its_own_checks_and_by_no_other(gate: Gate) -> None:
    """Excused or not: where none of a line's checks has proven anything, the line is open."""
    unproven = {key: CheckStatus.NOT_CHECKED for key, spec in CHECKS.items() if spec.gate is gate}
    found = verdict(good_run(unproven))
    assert found.outcome is Outcome.INCOMPLETE
    outcome, gaps = line_of(gate, found)
    assert outcome is Outcome.INCOMPLETE
    assert "nothing is proven" in gaps
    assert f"gate “{GATE_TITLES[gate]}”: nothing is proven" in found.reasons
    assert [line.outcome for line in found.gates if line.gate is not gate] == [Outcome.GO] * 3


@pytest.mark.parametrize("gate", Gate)
def test_a_flagged_finding_speaks_against_parity_and_against_no_other_line(gate: Gate) -> None:
    outcome, _ = line_of(gate, verdict(finding(flagged=True)))
    assert outcome is (Outcome.NO_GO if gate is Gate.PARITY else Outcome.GO)


def test_a_run_that_saw_neither_a_count_nor_a_row_compared_none() -> None:
    found = verdict(without(good_run(), CountsTaken, RowsCompared))
    assert found.outcome is Outcome.INCOMPLETE
    assert (found.sensors_compared, found.rows_compared) == (0, 0)
    assert {"no sensor was compared", "no row was compared"} <= set(found.reasons)


def test_rows_are_those_that_were_compared_or_else_those_of_the_largest_count() -> None:
    counts = [counts_taken(count_row("a", 3, 3), count_row("b", 4, 4)), counts_taken(count_row("a", 5, 5))]
    records = [*without(good_run(), CountsTaken, RowsCompared), *counts]
    assert verdict(records).rows_compared == 7
    assert verdict([*records, rows_compared(2), rows_compared(6)]).rows_compared == 6


def test_a_sensor_with_a_row_on_either_side_was_compared() -> None:
    counts = counts_taken(count_row("ours", 1, 0), count_row("theirs", 0, 1), count_row("neither", 0, 0))
    assert verdict([*without(good_run(), CountsTaken), counts]).sensors_compared == 2


def test_a_gate_line_names_what_was_not_checked_and_what_was() -> None:
    key = "test_watermark_is_recent"
    found = verdict(good_run({key: CheckStatus.NOT_CHECKED}))
    outcome, gaps = line_of(Gate.INCREMENTAL, found)
    assert (outcome, gaps) == (Outcome.INCOMPLETE, ("not checked: The watermark is recent",))
    (line,) = [line for line in found.gates if line.gate is Gate.INCREMENTAL]
    assert set(line.evidence) == {
        "passed: replication_is_healthy",
        "not checked: watermark_is_recent",
        "passed: watermark_never_retreats",
    }
    assert line.title == GATE_TITLES[Gate.INCREMENTAL]


def test_an_interrupted_check_and_one_that_never_began_are_told_apart() -> None:
    started = CheckStarted(check_id="watermark_is_recent", at=WATERMARK)
    found = verdict([*unfinished(RECENT, NEVER_RETREATS), started])
    assert {missing.check_id: missing.reason for missing in found.not_checked} == {
        "watermark_is_recent": "interrupted",
        "watermark_never_retreats": "not run",
    }


def test_a_case_of_conformance_that_was_deselected_is_not_missed_beside_one_that_was_asked_for() -> None:
    other = CheckPlanned(check_id="another case", key=CONFORMANCE_KEY, step=8, selected=False)
    found = verdict([*good_run(), planned(CONFORMANCE_KEY), finished(CONFORMANCE_KEY), other])
    assert (found.outcome, found.not_checked) == (Outcome.GO, ())


def test_nothing_is_excused_where_no_stack_was_reached() -> None:
    key = "test_counts_agree_for_every_sensor"
    found = verdict(without(good_run({key: CheckStatus.NOT_CHECKED}), StackDescribed))
    assert found.outcome is Outcome.INCOMPLETE
    assert [(missing.key, missing.tolerated) for missing in found.not_checked] == [(key, False)]


def test_a_check_that_the_catalogue_does_not_know_is_not_excused_on_a_live_controller() -> None:
    key = "test_something_new"
    found = verdict(with_check(key, CheckStatus.NOT_CHECKED, live_run(Capability.POSTGRES)))
    assert found.assurance is Assurance.COUNTS
    assert found.outcome is Outcome.INCOMPLETE
    assert [missing.key for missing in found.not_checked if not missing.tolerated] == [key]


# ---- the words -------------------------------------------------------------------------------------------------


def test_a_run_that_proves_everything_gives_its_reason_and_its_basis_in_these_words() -> None:
    found = verdict(good_run())
    assert found.reasons == ("every check of the runbook that this stack allows is proven",)
    assert found.basis == "our own reading of Postgres and of the lake's files, and the controller's API"


def test_a_basis_that_is_not_independent_is_told_in_these_words() -> None:
    assert verdict(live_run(Capability.LAKE)).basis == (
        "the controller's own counts: Postgres and the lake were not both readable to us, so no count here is "
        "independent of the software under validation"
    )
    assert verdict([run_started()]).basis == "nothing: no stack was reached"


def test_a_failed_check_and_a_run_that_did_not_end_are_told_in_these_words() -> None:
    for records, reason in (
        (good_run({RECENT: CheckStatus.FAILED}), f"{STEP_5}: The watermark is recent: as {RECENT}"),
        (without(good_run(), RunFinished), "the run did not end: its log stops in the middle"),
        (stopped("internal_error"), "the run did not come to its end (internal error): why"),
    ):
        assert verdict(records).reasons == (reason,)


def test_a_step_that_is_open_for_one_check_names_it_and_for_more_counts_them() -> None:
    one, *_ = verdict(good_run({RECENT: CheckStatus.UNPROVEN})).reasons
    assert one == f"{STEP_5}: The watermark is recent: as {RECENT}"
    records = good_run(dict.fromkeys((RECENT, NEVER_RETREATS), CheckStatus.UNPROVEN))
    assert verdict(retold(records, "no tick")).reasons[0] == f"{STEP_5}: 2 checks: no tick"


@pytest.mark.parametrize(("given_as", "outcome"), [("/opt/farm/bin", Outcome.INCOMPLETE), (NOT_SET, Outcome.GO)])
def test_helpers_that_were_asked_for_are_missed_when_they_are_deselected(given_as: str, outcome: Outcome) -> None:
    started = run_started(settings=(SettingValue(name="helpers", value=given_as, source="command line"),))
    left_out = [planned(key, selected=False) for key in HELPER_CHECKS]
    verdict = decide(RunResult.from_records([started, *good_run()[1:], *left_out]))
    assert verdict.outcome is outcome
    assert {missing.key for missing in verdict.not_checked} == (
        set(HELPER_CHECKS) if given_as != NOT_SET else set()
    )
