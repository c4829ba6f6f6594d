import json
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tsse_validation.runlog.records import Note
from tsse_validation.runlog.redaction import MASK, Redactor, is_distinctive

SECRET = 'p@ss/w"ord\\%41'


@pytest.mark.parametrize(
    "text",
    [
        f"it is {SECRET}.",
        f"postgresql://u:{quote(SECRET, safe='')}@h/db",
        json.dumps({"password": SECRET}),
        Note(text=f"it is {SECRET}.").model_dump_json(),
        'decoded: p@ss/w"ord\\A',
    ],
)
def test_a_secret_is_masked_in_every_spelling_it_could_leak_in(text: str) -> None:
    redacted = Redactor([SECRET]).redact(text)
    assert MASK in redacted
    assert "p@ss" not in redacted
    assert quote(SECRET, safe="") not in redacted


@given(st.text(min_size=4, alphabet=st.characters(codec="utf-8")).filter(lambda text: text.strip()))
def test_no_secret_survives_in_a_record_that_is_written_as_json(secret: str) -> None:
    assume(secret not in MASK and is_distinctive(secret))
    assume(secret not in Note(text="").model_dump_json())
    line = Redactor([secret]).redact(Note(text=f"«{secret}»").model_dump_json())
    assert line == Note(text=f"«{MASK}»").model_dump_json()


def test_the_longest_of_overlapping_secrets_is_masked_first() -> None:
    redactor = Redactor(["tok3n", "tok3n-and-more"])
    assert redactor.redact("a tok3n-and-more, a tok3n") == f"a {MASK}, a {MASK}"


@pytest.mark.parametrize("short", ["", "a", "abc", "postgres", "20261124"])
def test_a_secret_of_a_few_letters_or_a_word_would_eat_the_text_and_is_not_known(
    short: str, tmp_path: Path
) -> None:
    path = tmp_path / "log"
    path.write_text("abc a postgres 20261124", encoding="utf-8")
    redactor = Redactor([short])
    assert redactor.redact("abc a postgres 20261124") == "abc a postgres 20261124"
    assert list(redactor.leaks_in([path])) == []


def test_a_secret_is_known_from_when_it_is_added() -> None:
    redactor = Redactor()
    assert redactor.redact("a s3cret") == "a s3cret"
    redactor.add("s3cret")
    assert redactor.redact("a s3cret") == f"a {MASK}"


def test_only_the_files_that_hold_a_secret_are_named(tmp_path: Path) -> None:
    contents = {
        "plain": SECRET.encode(),
        "quoted": quote(SECRET, safe="").encode(),
        "binary": b"\x00\xff" + SECRET.encode() + b"\xfe",
        "clean": b"nothing to see",
        "masked": MASK.encode(),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    leaks = Redactor([SECRET]).leaks_in(sorted(tmp_path.iterdir()))
    assert [path.name for path in leaks] == ["binary", "plain", "quoted"]


def test_a_redactor_without_secrets_finds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"anything")
    assert list(Redactor().leaks_in([path])) == []
