"""Every fault is caught and told in the right words, nothing else is, and the matrix says so.

Each entry is a run of the whole runbook, in a process of its own, on a small farm; `conftest` starts them. All but
the sentinels are left to the nightly tests.
"""

import re
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from pathlib import Path

import pytest

from tests.system.faults.catalogue import BENIGN, FAULTS, SENTINELS, UNSEEN
from tests.system.faults.matrix import PATH, REMAKE, benign_row, by_place, fault_row, rows_of, totals
from tests.system.faults.model import Place
from tests.system.faults.mutants import MUTANTS
from tests.system.faults.trial import Trial, alarm, wrong

FEWEST_FAULTS, FEWEST_BENIGN = 60, 25
PROOF = Path(__file__).parents[3] / "docs/PROOF.md"
Trials = Mapping[str, Future[Trial]]


def each(names: Iterable[str]) -> pytest.MarkDecorator:
    entries = [pytest.param(name, marks=() if name in SENTINELS else pytest.mark.slow) for name in names]
    return pytest.mark.parametrize("entry", entries)


@pytest.fixture(scope="module")
def committed() -> list[str]:
    return PATH.read_text().splitlines()


@each(FAULTS)
def test_a_fault_is_caught_and_told(entry: str, trials: Trials, committed: list[str]) -> None:
    trial = trials[entry].result()
    assert not wrong(FAULTS[entry], trial), trial.run
    assert fault_row(FAULTS[entry], trial) in committed, f"the matrix is out of date: {REMAKE}"


@each(BENIGN)
def test_what_is_no_fault_is_go_and_raises_no_alarm(entry: str, trials: Trials, committed: list[str]) -> None:
    trial = trials[entry].result()
    assert not alarm(BENIGN[entry], trial), trial.run
    assert benign_row(BENIGN[entry], trial) in committed, f"the matrix is out of date: {REMAKE}"


def test_the_matrix_has_the_whole_catalogue_and_no_survivor(committed: list[str]) -> None:
    names = [line.strip("|").split(" | ")[0].strip() for line in committed if line.startswith("| ")]
    assert [name for name in names if name in FAULTS] == list(FAULTS)
    assert [name for name in names if name in BENIGN] == list(BENIGN)
    found = totals(committed)
    assert found.caught == found.faults == len(FAULTS) >= FEWEST_FAULTS
    assert found.go == found.benign == len(BENIGN) >= FEWEST_BENIGN
    assert str(found) in committed


def test_the_sentinels_are_of_every_place_and_verdict() -> None:
    assert {*FAULTS, *BENIGN} >= SENTINELS
    tried = [FAULTS[name] for name in SENTINELS if name in FAULTS]
    assert {fault.place for fault in tried} == set(Place)
    assert {fault.verdict for fault in tried} == {fault.verdict for fault in FAULTS.values()}


def test_every_mutant_is_tried() -> None:
    tried = {fault.mutant for fault in FAULTS.values() if fault.mutant}
    tried |= {
        entry.options[1] for entry in BENIGN.values() if entry.options[:1] == ("tests.system.faults.mutants",)
    }
    assert tried == set(MUTANTS)


def test_the_page_has_the_matrix_totals(committed: list[str]) -> None:
    found = totals(committed)
    said = " ".join(PROOF.read_text().split())
    told = re.search(
        r"Of (\d+) faults, .*? told with the right diagnosis: (\d+)\. .*? sees (\d+) of them, or (\d+) .*? "
        r"(\d+) oddities",
        said,
    )
    assert told is not None
    assert [int(number) for number in told.groups()] == [
        found.faults,
        found.caught,
        found.seen_in_a_day,
        found.seen_in_all_days,
        found.benign,
    ]


def test_the_page_has_the_table_by_place(committed: list[str]) -> None:
    table = list(by_place(rows_of("\n".join(committed))))
    assert "\n".join(table) in PROOF.read_text()
    assert "\n".join(table) in "\n".join(committed)


def test_the_page_tells_what_no_run_can_see() -> None:
    said = PROOF.read_text().replace("`", "")
    assert [what for what in UNSEEN if f"- {what}" not in said] == []
