import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsse_validation.report.model.text import block, ident, one_line, shorten, visible

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
