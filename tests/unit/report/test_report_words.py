import math
from datetime import UTC, datetime

import pytest

from tsse_validation.domain.phrasing import count_of
from tsse_validation.report.model import words
from tsse_validation.report.model.checks import StepState
from tsse_validation.runlog.records import CheckStatus
from tsse_validation.verdict import Outcome


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.0, "0.00 s"),
        (0.424, "0.42 s"),
        (12.34, "12.3 s"),
        (59.96, "1 min 00 s"),
        (200, "3 min 20 s"),
        (3599.7, "1 h 00 min"),
        (7500, "2 h 05 min"),
        (math.nan, "unknown"),
        (math.inf, "unknown"),
        (-1, "unknown"),
    ],
)
def test_durations_are_said_as_a_person_says_them(seconds: float, said: str) -> None:
    assert words.duration(seconds) == said


def test_numbers_carry_their_noun() -> None:
    assert count_of(1, "row") == "1 row"
    assert count_of(2_808, "row") == "2,808 rows"


@pytest.mark.parametrize(("rows", "seconds"), [(None, 1.0), (1, 0.0), (1, math.nan), (1, math.inf)])
def test_a_rate_that_is_not_known_is_said_to_be_unknown(rows: int | None, seconds: float) -> None:
    assert words.rate(rows, seconds) == "unknown"


def test_a_rate_is_in_rows_per_second() -> None:
    assert words.rate(290_017, 83.2) == "3,486 rows/s"


def test_instants_are_written_as_the_controller_writes_them() -> None:
    at = datetime(2026, 1, 24, 16, 29, 48, 358904, tzinfo=UTC)
    assert words.instant(at) == "2026-01-24T16:29:48.358904+00:00"
    assert words.moment(at) == "2026-01-24 16:29:48 UTC"
    assert words.instant(None) == words.moment(None) == "unknown"


def test_every_state_has_a_tone() -> None:
    assert set(words.STATUS_TONES) == set(CheckStatus)
    assert set(words.STEP_TONES) == {state.value for state in StepState}
    assert set(words.OUTCOME_TONES) == set(words.GATE_WORDS) == set(Outcome)


def test_a_go_says_what_it_goes_without() -> None:
    assert "11 checks could not be made here" in words.meaning(Outcome.GO, 11, owned=False)
    assert "could not be made" not in words.meaning(Outcome.GO, 0, owned=False)


def test_a_go_on_a_stack_of_our_own_is_none_for_an_installed_controller() -> None:
    assert "for no installed controller" in words.meaning(Outcome.GO, 0, owned=True)
    assert "marked Done" not in words.meaning(Outcome.GO, 0, owned=True)


@pytest.mark.parametrize("outcome", [Outcome.NO_GO, Outcome.INCOMPLETE])
def test_only_a_go_on_a_live_controller_lets_the_gate_be_marked_done(outcome: Outcome) -> None:
    assert "may be marked Done" in words.meaning(Outcome.GO, 0, owned=False)
    assert "not mark TSSE-6 Done" in words.meaning(outcome, 0, owned=False)
