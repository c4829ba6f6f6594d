"""What cannot be made after a check that went wrong: what needs it, and nothing else."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsse_validation.domain.catalogue import BOTH_SIDES, CHECKS, CONFORMANCE_CHECKS, builds_on
from tsse_validation.domain.errors import (
    AccessError,
    BlockedError,
    DeadlineError,
    PromiseBrokenError,
    SuiteError,
    UnreachableError,
)
from tsse_validation.domain.stack import Capability
from tsse_validation.runlog.records import CheckStatus
from tsse_validation.steps.blocking import CheckStates

EXTRAS = frozenset({Capability.QDRANT, Capability.VIEW_TOKEN, Capability.TOKEN_FILE})
WRONG = (CheckStatus.FAILED, CheckStatus.UNPROVEN)
HARMLESS = (CheckStatus.PASSED, CheckStatus.WARNED, CheckStatus.NOT_CHECKED)


def blocked_by(*wrong: str, how: CheckStatus = CheckStatus.UNPROVEN) -> dict[str, str]:
    """Go through the runbook as a run does; return what is blocked, with its reason."""
    states, blocked = CheckStates(), dict[str, str]()
    for key, spec in CHECKS.items():
        try:
            states.hold_free(key)
        except BlockedError as error:
            blocked[key.removeprefix("test_")] = error.message
            states.add(key, spec.step, CheckStatus.BLOCKED)
        else:
            states.add(key, spec.step, how if key.removeprefix("test_") in wrong else CheckStatus.PASSED)
    return blocked


def needing(sides: Iterable[Capability], from_step: int) -> set[str]:
    """Return the later checks that look at one of some sides, and all that has to do with the backfill."""
    return {
        key.removeprefix("test_")
        for key, spec in CHECKS.items()
        if spec.step >= from_step and (spec.requires & set(sides) or spec.backfills)
    }


@pytest.mark.parametrize("how", WRONG)
@pytest.mark.parametrize(
    "check",
    ["qdrant_answers_healthz", "view_only_token_cannot_create_a_job", "token_file_is_private"],
)
def test_an_extra_blocks_nothing(check: str, how: CheckStatus) -> None:
    assert blocked_by(check, how=how) == {}


@pytest.mark.parametrize("how", WRONG)
@pytest.mark.parametrize(
    ("check", "side", "later"),
    [
        ("postgres_answers_a_query", Capability.POSTGRES, 2),
        ("database_is_the_controllers", Capability.POSTGRES, 4),
        ("lake_state_files_are_readable", Capability.LAKE, 4),
        ("direct_inspection_agrees_with_the_api", Capability.LAKE, 4),
    ],
)
def test_a_side_that_cannot_be_looked_at_blocks_what_looks_at_it_and_the_backfill(
    check: str, side: Capability, later: int, how: CheckStatus
) -> None:
    blocked = blocked_by(check, how=how)
    assert blocked.keys() == needing([side], later)
    assert {"backfill_job_completes", "every_due_row_is_in_the_lake_unchanged"} <= blocked.keys()
    assert not {"parity_job_finds_no_mismatch", "watermark_is_recent", "file_counts_stay_bounded"} & blocked.keys()


def test_postgres_away_leaves_the_lakes_files_to_be_looked_at() -> None:
    blocked = blocked_by("postgres_answers_a_query")
    assert not {"lake_files_are_well_formed", "direct_inspection_agrees_with_the_api"} & blocked.keys()


@pytest.mark.parametrize("how", WRONG)
@pytest.mark.parametrize(
    "check",
    ["core_server_answers_healthz", "valid_token_runs_a_job", "bad_token_is_refused", "replication_is_healthy"],
)
def test_what_the_api_itself_must_answer_blocks_every_later_step(check: str, how: CheckStatus) -> None:
    step = CHECKS[f"test_{check}"].step
    blocked = blocked_by(check, how=how)
    assert blocked.keys() == {key.removeprefix("test_") for key, spec in CHECKS.items() if spec.step > step}
    assert len(set(blocked.values())) <= 2, "one cause is one reason"


@pytest.mark.parametrize("how", WRONG)
def test_a_backfill_that_went_wrong_blocks_all_that_would_look_at_a_lake_half_replaced(how: CheckStatus) -> None:
    blocked = blocked_by("backfill_job_completes", how=how)
    assert blocked.keys() == {key.removeprefix("test_") for key, spec in CHECKS.items() if spec.step > 4}


def test_the_reason_is_the_check_that_began_it() -> None:
    blocked = blocked_by("postgres_answers_a_query")
    cause = "blocked by step 1 (health): not proven: Postgres answers a query"
    assert blocked["every_due_row_is_in_the_lake_unchanged"] == blocked["database_is_the_controllers"] == cause
    assert blocked["backfill_job_completes"].startswith(f"{cause}: no backfill is started without it")
    failed = blocked_by("valid_token_is_accepted", how=CheckStatus.FAILED)
    assert set(failed.values()) == {"blocked by step 2 (token): failed: A valid token is accepted"}


@pytest.mark.parametrize("how", HARMLESS)
def test_what_was_left_out_or_warned_of_blocks_nothing(how: CheckStatus) -> None:
    assert blocked_by(*(key.removeprefix("test_") for key in CHECKS), how=how) == {}


def test_the_last_step_that_did_not_run_is_named() -> None:
    states = CheckStates()
    with pytest.raises(BlockedError, match=r"blocked by step 4 \(backfill\): it did not run"):
        states.hold_free("test_parity_job_finds_no_mismatch")
    states.hold_free("test_core_server_answers_healthz")
    states.hold_free("test_a_check_of_somebody_else")
    for key in CONFORMANCE_CHECKS:
        states.hold_free(key)


@given(wrong=st.sets(st.sampled_from(sorted(CHECKS)), max_size=4), how=st.sampled_from(WRONG))
def test_no_backfill_is_started_unless_all_that_guards_it_was_looked_at(wrong: set[str], how: CheckStatus) -> None:
    blocked = blocked_by(*(key.removeprefix("test_") for key in wrong), how=how)
    guards = {key for key, spec in CHECKS.items() if spec.step < 4 and not spec.requires & EXTRAS}
    assert ("backfill_job_completes" in blocked) == bool(wrong & guards)


@given(wrong=st.sets(st.sampled_from(sorted(CHECKS)), max_size=4), how=st.sampled_from(WRONG))
def test_a_check_that_is_made_builds_on_nothing_that_went_wrong(wrong: set[str], how: CheckStatus) -> None:
    blocked = blocked_by(*(key.removeprefix("test_") for key in wrong), how=how)
    for key, spec in CHECKS.items():
        met = {one.key for one in builds_on(spec)} & wrong
        reached = {of for of in met if of.removeprefix("test_") not in blocked}
        assert not reached or key.removeprefix("test_") in blocked


def test_a_side_is_lost_by_the_first_check_that_says_so() -> None:
    states = CheckStates()
    assert states.lost() == {}
    states.add("test_qdrant_answers_healthz", 1, CheckStatus.UNPROVEN)
    states.add("test_lake_files_are_well_formed", 5, CheckStatus.FAILED)
    states.add("test_postgres_answers_a_query", 1, CheckStatus.NOT_CHECKED)
    assert states.lost() == {}, "no side, an evidence of its own, and left out on purpose"
    states.add("test_database_is_the_controllers", 3, CheckStatus.UNPROVEN)
    states.add("test_direct_inspection_agrees_with_the_api", 3, CheckStatus.PASSED)
    states.add("test_direct_inspection_agrees_with_the_api", 3, CheckStatus.FAILED)
    assert states.lost() == {
        Capability.POSTGRES: "step 3 (inspect): not proven: The database that we read is the controller's own",
        Capability.LAKE: "step 3 (inspect): failed: The lake is what the API says it is",
    }
    assert set(states.lost()) <= BOTH_SIDES


@pytest.mark.parametrize("error", [UnreachableError("Postgres is away."), DeadlineError("It hangs.")])
def test_beside_a_postgres_that_does_not_answer_a_token_is_looked_up_in_vain(error: SuiteError) -> None:
    states, broken = CheckStates(), PromiseBrokenError("It was answered 500.", "Look.")
    assert states.explained("test_valid_token_is_accepted", broken) is broken
    states.add("test_qdrant_answers_healthz", 1, CheckStatus.UNPROVEN, UnreachableError("Qdrant is away."))
    assert states.explained("test_valid_token_is_accepted", broken) is broken
    states.add("test_postgres_answers_a_query", 1, CheckStatus.UNPROVEN, error)
    explained = states.explained("test_valid_token_is_accepted", broken)
    cause = (
        "blocked by step 1 (health): not proven: Postgres answers a query: the controller looks tokens up there"
    )
    assert isinstance(explained, BlockedError)
    assert (explained.message, explained.advice) == (cause, "It was answered 500.")
    states.add("test_valid_token_is_accepted", 2, CheckStatus.BLOCKED, explained)
    with pytest.raises(BlockedError) as caught:
        states.hold_free("test_api_inspection_describes_the_lake")
    assert caught.value.message == cause
    refused = AccessError("The controller refuses the token.")
    assert states.explained("test_valid_token_is_accepted", refused) is refused, "it has looked it up"
    assert states.explained("test_parity_job_finds_no_mismatch", broken) is broken, "it has looked tokens up since"
    assert states.explained("test_of_somebody_else", broken) is broken


def test_a_postgres_that_refuses_us_explains_nothing() -> None:
    states, broken = CheckStates(), PromiseBrokenError("It was answered 500.")
    states.add("test_postgres_answers_a_query", 1, CheckStatus.UNPROVEN, AccessError("The password is wrong."))
    assert states.explained("test_valid_token_is_accepted", broken) is broken
