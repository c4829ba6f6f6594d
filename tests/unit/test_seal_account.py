"""What a seal of the lake is worth: a proof that says who has read what, and otherwise what to do."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.builders import BASELINE_ACCEPTED, SEAL_ASKED, good_run, lake_sealed, run_started
from tsse_validation.domain.assurance import Assurance
from tsse_validation.domain.outcome import Outcome
from tsse_validation.report.model import words
from tsse_validation.runlog.records import CheckStatus, Record, RowsCompared, RunStarted
from tsse_validation.runlog.result import RunResult
from tsse_validation.runlog.seal_record import EarlierReading
from tsse_validation.verdict import Verdict, decide

EARLIER = EarlierReading(
    sha256="d1c0" * 16,
    read_at=datetime(2026, 1, 17, 16, 12, 3, tzinfo=UTC),
    days=tuple(date(2025, 10, 26) + timedelta(day) for day in range(40)),
    files=640,
)
ON_A_BASELINE: Mapping[str, object] = {"rests_on": (EARLIER,), "unchanged": 640, "reread": 32}
RESTS = (
    "40 of 91 days rest on files read on 2026-01-17 16:12:03 UTC, unchanged by path, size, time and footer since; "
    "5 % of them were read again, and are alike"
)


def decided(
    *records: Record, accepted: bool = False, statuses: Mapping[str, CheckStatus] | None = None
) -> Verdict:
    settings = (SEAL_ASKED, *([BASELINE_ACCEPTED] if accepted else []))
    rest = (record for record in good_run(statuses) if not isinstance(record, RunStarted))
    return decide(RunResult.from_records([run_started(settings=settings), *rest, *records]))


def test_a_sealed_proof_says_who_has_read_the_lake_where_and_when() -> None:
    verdict = decided(lake_sealed())
    assert (verdict.outcome, verdict.assurance, verdict.label) == (Outcome.GO, Assurance.PROOF, "GO")
    read = "the lake read by tsse on controller-1 at 2026-01-24 16:29:48 UTC and sealed"
    assert verdict.grade == f"every due row of every sensor; Postgres read by us, {read}"
    assert verdict.basis == f"our own reading of Postgres, {read}, and the controller's API"
    assert (verdict.accepted_by, verdict.baseline, verdict.warnings) == ("", "", ())


def test_a_run_that_asked_for_a_seal_and_took_up_none_proves_nothing_by_reading() -> None:
    verdict = decided()
    assert verdict.outcome is Outcome.INCOMPLETE
    assert verdict.assurance not in {Assurance.PROOF, Assurance.COUNTS}
    assert any("no seal of it was taken up (tsse-validate seal lake)" in reason for reason in verdict.reasons)
    assert "no seal of the lake" in verdict.basis


def test_a_seal_of_postgres_alone_tells_of_no_lake() -> None:
    assert decided(lake_sealed(side="postgres")).outcome is Outcome.INCOMPLETE


@pytest.mark.parametrize("left", [1, 12])
def test_what_a_seal_leaves_open_keeps_it_from_a_proof_and_says_how_to_close_it(left: int) -> None:
    verdict = decided(lake_sealed(left=left), accepted=True)
    assert verdict.outcome is Outcome.INCOMPLETE
    (reason,) = (reason for reason in verdict.reasons if "--as-of the seal of Postgres" in reason)
    assert f"{left} sensor-day{'s' if left > 1 else ''} of it" in reason


def test_days_of_an_earlier_seal_are_no_proof_unless_they_are_accepted_and_both_ways_out_are_told() -> None:
    verdict = decided(lake_sealed(**ON_A_BASELINE))
    assert verdict.outcome is Outcome.INCOMPLETE
    (reason,) = (reason for reason in verdict.reasons if "--verify-all" in reason)
    assert "or accept the baseline by --accept-baseline" in reason
    assert RESTS in reason


def test_a_go_on_an_accepted_baseline_never_goes_without_saying_so() -> None:
    verdict = decided(lake_sealed(**ON_A_BASELINE), accepted=True)
    assert (verdict.outcome, verdict.label) == (Outcome.GO, "GO by proof on a baseline")
    assert verdict.accepted_by == "--accept-baseline (command line)"
    assert verdict.baseline == RESTS
    assert RESTS in verdict.grade
    assert verdict.warnings == (f"the seal of the lake rests on a baseline: {RESTS}",)
    assert words.verdict_tone(verdict) == words.PART
    assert "A baseline was accepted, by --accept-baseline (command line)." in words.meaning(
        verdict, 0, owned=False
    )
    assert words.assurance(verdict).startswith("proof required, proof reached: ")
    assert words.assurance(verdict).endswith("; accepted by --accept-baseline (command line)")


@pytest.mark.parametrize(
    ("reread", "says"), [(0, "none of them was read again"), (639, "99 % of them"), (640, "100 % of them")]
)
def test_the_share_that_was_read_again_is_never_rounded_up(reread: int, says: str) -> None:
    seal = lake_sealed(**{**ON_A_BASELINE, "reread": reread})
    assert says in decided(seal, accepted=True).baseline


def test_a_seal_that_says_of_its_files_alone_that_some_were_not_read_rests_on_a_baseline_too() -> None:
    seal = lake_sealed(unchanged=640, reread=639)
    assert decided(seal).outcome is Outcome.INCOMPLETE
    assert (
        "an unknown part of 91 days rests on files that an earlier seal has read"
        in decided(seal, accepted=True).baseline
    )


def test_a_baseline_of_which_every_file_was_read_again_is_none() -> None:
    assert decided(lake_sealed(unchanged=640, reread=640)).label == "GO"


def test_a_seal_that_was_used_before_the_last_one_counts_as_well() -> None:
    assert decided(lake_sealed(left=1), lake_sealed()).outcome is Outcome.INCOMPLETE


def test_a_sealed_comparison_of_a_part_of_the_range_is_no_proof() -> None:
    records = [record for record in good_run() if not isinstance(record, RowsCompared)]
    assert decide(RunResult.from_records([*records, lake_sealed()])).outcome is Outcome.INCOMPLETE


def test_a_run_that_read_the_lake_itself_is_decided_as_before_there_were_seals() -> None:
    verdict = decide(RunResult.from_records(good_run()))
    assert verdict.grade == "every due row of every sensor, both sides read by us"
    assert verdict.basis == "our own reading of Postgres and of the lake's files, and the controller's API"


@given(st.integers(0, 3), st.booleans(), st.integers(0, 3), st.integers(0, 3), st.booleans())
def test_a_go_by_a_seal_needs_nothing_left_and_a_baseline_that_was_accepted(
    left: int, rests: bool, unchanged: int, reread: int, accepted: bool
) -> None:
    seal = lake_sealed(
        left=left, rests_on=(EARLIER,) if rests else (), unchanged=unchanged, reread=min(reread, unchanged)
    )
    whole = not left and (accepted or not (rests or reread < unchanged))
    verdict = decided(seal, accepted=accepted)
    assert (verdict.outcome is Outcome.GO) == whole
    assert (verdict.label == "GO") == (whole and not (rests or reread < unchanged))
