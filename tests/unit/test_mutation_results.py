"""The committed page of mutation testing is whole, adds up, and says of each survivor why it is left."""

import re

import pytest

from tools.mutation.page import PATH, counts_of, parts_of, render
from tools.mutation.running import FILES, MODULES, ROOT
from tools.mutation.survivors import EXPLAINED

PARTS = parts_of(PATH.read_text(encoding="utf-8"))
_LISTED = re.compile(r"^- (\d+) × `[\w.]+`: `.+` → `.+` – (equivalent|left alone): \S.+$", re.MULTILINE)


def test_the_page_has_every_module_and_no_other() -> None:
    assert list(PARTS) == list(MODULES)
    assert EXPLAINED.keys() <= MODULES.keys()


def test_the_page_reads_back_as_what_it_was_made_of() -> None:
    assert render(PARTS) == PATH.read_text(encoding="utf-8")


@pytest.mark.parametrize("module", MODULES)
def test_a_module_of_the_page_exists_and_has_its_tests(module: str) -> None:
    assert all((ROOT / "tsse_validation" / name).is_file() for name in FILES[module])
    assert all((ROOT / "tests/unit" / test).is_file() for test in MODULES[module])


@pytest.mark.parametrize("module", MODULES)
def test_the_scores_are_those_of_the_counts_and_nine_in_ten_that_can_be_seen_are(module: str) -> None:
    counts, score, score_of_others = counts_of(PARTS[module][0])
    assert counts.mutants == counts.killed + counts.timeouts + counts.survived + counts.no_tests
    assert (score, score_of_others) == (counts.score, counts.score_of_others)
    assert float(score_of_others.removesuffix(" %")) >= 90


@pytest.mark.parametrize("module", MODULES)
def test_every_survivor_is_listed_with_the_reason_why_it_is_left(module: str) -> None:
    line, section = PARTS[module]
    counts, *_ = counts_of(line)
    listed = _LISTED.findall(section)
    assert len(listed) == sum(entry.startswith("- ") for entry in section.splitlines())
    assert sum(int(number) for number, _ in listed) == counts.survived + counts.no_tests
    assert sum(int(number) for number, kind in listed if kind == "equivalent") == counts.equivalent
