"""How numbers, instants and foreign text are written."""

import math
import unicodedata
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.report_builders import crashed, go, live_api_only, no_go
from tsse_validation.domain.assurance import Assurance
from tsse_validation.domain.outcome import Outcome
from tsse_validation.domain.phrasing import count_of, duration
from tsse_validation.report.model import words
from tsse_validation.report.model.checks import StepState
from tsse_validation.report.model.text import block, ident, one_line, shorten, visible
from tsse_validation.runlog.records import CheckStatus
from tsse_validation.runlog.result import RunResult
from tsse_validation.verdict import decide


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
    assert duration(seconds) == said


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


GO = go()


def test_every_state_has_a_tone() -> None:
    assert set(words.STATUS_TONES) == set(CheckStatus)
    assert set(words.STEP_TONES) == {state.value for state in StepState}
    assert set(words.OUTCOME_TONES) == set(words.GATE_WORDS) == set(Outcome)


def test_a_go_says_what_it_goes_without() -> None:
    assert "11 checks could not be made here" in words.meaning(decide(GO), 11, owned=False)
    assert "could not be made" not in words.meaning(decide(GO), 0, owned=False)


def test_a_go_on_a_stack_of_our_own_is_none_for_an_installed_controller() -> None:
    assert "for no installed controller" in words.meaning(decide(GO), 0, owned=True)
    assert "marked Done" not in words.meaning(decide(GO), 0, owned=True)


def test_a_go_by_proof_is_told_in_these_words() -> None:
    assert words.meaning(decide(GO), 0, owned=False) == (
        "GO by proof: every due row of every sensor, both sides read by us. TSSE-6 may be marked Done."
    )
    assert words.assurance(decide(GO)) == (
        "proof required, proof reached: every due row of every sensor, both sides read by us"
    )


def test_a_go_below_proof_says_its_grade_what_was_accepted_and_by_which_option() -> None:
    verdict = decide(live_api_only())
    assert verdict.label == "GO by counts"
    assert words.verdict_tone(verdict) == words.PART
    assert words.meaning(verdict, 9, owned=False) == (
        "GO by counts: the controller's own word; 100 % of sensors, values not compared; 9 checks could not be "
        "made here. Less than a proof was accepted, by --require counts (command line). TSSE-6 may be marked "
        "Done by counts, not by proof."
    )
    assert words.assurance(verdict) == (
        "counts required by --require counts (command line), counts reached: the controller's own word; 100 % of "
        "sensors, values not compared"
    )


@pytest.mark.parametrize("grade", [Assurance.COUNTS, Assurance.SAMPLE])
def test_done_is_never_said_without_a_grade_below_proof(grade: Assurance) -> None:
    verdict = decide(GO).model_copy(update={"assurance": grade, "required": grade})
    meaning = words.meaning(verdict, 0, owned=False)
    assert f"marked Done by {grade}, not by proof" in meaning
    assert verdict.label == f"GO by {grade}"


def test_a_verdict_that_is_no_go_has_no_grade_in_its_name() -> None:
    for result in (no_go(), crashed(), live_api_only(Assurance.PROOF)):
        assert " by " not in decide(result).label
        assert words.verdict_tone(decide(result)) != words.PART
        assert words.share_name(decide(result)) == "Compared"


def test_a_share_is_told_of_a_result_that_knows_none() -> None:
    old = decide(GO).model_copy(update={"proven": None})
    assert "earlier version" in words.share(old)
    assert words.share(decide(GO)) == "290,017 of an unknown number of rows, 2025-10-26 to 2026-01-24"


@pytest.mark.parametrize("of", [no_go(), crashed()])
def test_only_a_go_on_a_live_controller_lets_the_gate_be_marked_done(of: RunResult) -> None:
    assert "may be marked Done" in words.meaning(decide(GO), 0, owned=False)
    assert "not mark TSSE-6 Done" in words.meaning(decide(of), 0, owned=False)


ANY_TEXT = st.text(st.characters(codec=None))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x00", r"\x00"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("\u202eexe.png", r"\u202eexe.png"),
        ("\ud800", r"\ud800"),
        ("\uffff", r"\uffff"),
        ("\u200b", r"\u200b"),
        ("\r", r"\x0d"),
        ("😀 ñ שלום", "😀 ñ שלום"),
        ("a\nb\tc", "a\nb\tc"),
    ],
)
def test_what_hides_or_deceives_is_written_as_an_escape(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(ANY_TEXT)
def test_visible_text_can_be_written_in_utf_8_and_holds_no_control_character(text: str) -> None:
    shown = visible(text)
    shown.encode()
    assert {char for char in shown if unicodedata.category(char) in {"Cc", "Cs"}} <= {"\n", "\t"}


@given(ANY_TEXT)
def test_making_text_visible_twice_changes_nothing_more(text: str) -> None:
    assert visible(visible(text)) == visible(text)


@given(ANY_TEXT, st.integers(40, 100))
def test_a_shortened_text_is_never_longer_than_its_limit(text: str, limit: int) -> None:
    assert len(shorten(text * 50, limit)) <= limit


def test_shortening_keeps_both_ends_and_says_how_much_is_cut() -> None:
    shown = shorten("head" + "x" * 10_000 + "tail", 64)
    assert shown.startswith("head")
    assert shown.endswith("tail")
    kept = len(shown.replace("x", "")) - len("headtail")
    cut = int(shown.split("[")[1].split(" ")[0].replace(",", ""))
    assert cut + len(shown) - kept == len("headtail") + 10_000


def test_one_line_has_no_line_feed_and_a_block_keeps_its_own() -> None:
    assert one_line(" a\n b ") == "a b"
    assert block(" a\n b \n") == "a\n b"


def test_an_id_keeps_its_spaces_and_is_never_empty() -> None:
    assert ident("a  b\n") == r"a  b\n"
    assert ident("") == "(empty)"
