"""The lines of steps: each step once, and one line for all that could not run."""

import io
from collections.abc import Sequence
from types import SimpleNamespace
from typing import cast

import pytest

from tests.support.builders import finished
from tsse_validation.pytest_plugin.console import StepLines
from tsse_validation.runlog.records import CheckStatus

PASSED, FAILED, UNPROVEN = CheckStatus.PASSED, CheckStatus.FAILED, CheckStatus.UNPROVEN
BLOCKED, LEFT_OUT, WARNED = CheckStatus.BLOCKED, CheckStatus.NOT_CHECKED, CheckStatus.WARNED


class FakeTerminal:
    """Keeps what is written, as pytest's reporter writes it."""

    def __init__(self, *, tty: bool = False) -> None:
        self.stream = io.StringIO()
        self._tty = tty

    def isatty(self) -> bool:
        return self._tty

    def write(self, text: str, **_flush: bool) -> None:
        self.stream.write(text)

    def write_line(self, line: str, **_colour: bool) -> None:
        self.stream.write(f"{line}\n")

    def rewrite(self, line: str, *, erase: bool) -> None:
        self.stream.write("\r" + line.ljust(99 if erase else 0))


def planned(
    steps: Sequence[tuple[int, Sequence[CheckStatus]]], *, tty: bool = False
) -> tuple[StepLines, FakeTerminal]:
    """Return the lines of steps that have as many checks as are given."""
    terminal = FakeTerminal(tty=tty)
    lines = StepLines(cast("pytest.TerminalReporter", terminal))
    lines.plan([item_of(step) for step, statuses in steps for _ in statuses])
    return lines, terminal


def item_of(step: int) -> pytest.Item:
    marker = SimpleNamespace(args=(step,), kwargs={})
    item = SimpleNamespace(nodeid="a", get_closest_marker=lambda _name: marker)
    return cast("pytest.Item", item)


def said(*steps: tuple[int, Sequence[CheckStatus]]) -> list[str]:
    """Return what is said, with one space for many, where these steps end so."""
    lines, terminal = planned(steps)
    for step, statuses in steps:
        for status in statuses:
            lines.begin(step)
            lines.ended(finished("test_a", status).model_copy(update={"step": step, "title": f"It is {status}"}))
    lines.finish()
    return [" ".join(line.split()) for line in terminal.stream.getvalue().splitlines()]


def test_each_step_has_a_line_with_what_is_proven() -> None:
    assert said((1, [PASSED] * 3), (2, [PASSED, WARNED])) == [
        "step 1 health 3 of 3 proven",
        "step 2 token 2 of 2 proven, 1 with a warning",
    ]


def test_what_is_not_proven_is_named_and_what_is_left_out_counted() -> None:
    assert said((3, [FAILED, UNPROVEN, LEFT_OUT, PASSED])) == [
        "step 3 inspect 1 of 4 proven, 1 failed (It is failed), 1 not proven (It is unproven), 1 left out"
    ]


def test_steps_of_which_nothing_could_run_share_a_line() -> None:
    assert said((1, [UNPROVEN]), *((step, [BLOCKED] * 2) for step in (2, 3, 4)), (5, [BLOCKED, PASSED])) == [
        "step 1 health 0 of 1 proven, 1 not proven (It is unproven)",
        "steps 2 to 4 not run: they build on what is not proven above",
        "step 5 watermark and partitions 1 of 2 proven, 1 blocked",
    ]


def test_a_step_of_which_nothing_could_run_keeps_its_name() -> None:
    assert said((3, [PASSED]), (4, [BLOCKED]), (5, [PASSED]))[1] == (
        "step 4 backfill not run: it builds on what is not proven above"
    )


def test_a_step_that_is_cut_off_says_what_was_not_run() -> None:
    lines, terminal = planned([(1, [PASSED] * 3)])
    lines.begin(1)
    lines.ended(finished("test_a", PASSED))
    lines.begin(1)
    lines.finish()
    assert "1 of 3 proven, 2 not run" in terminal.stream.getvalue()


def test_on_a_terminal_the_step_under_way_is_shown_and_goes_away() -> None:
    lines, terminal = planned([(1, [PASSED] * 2)], tty=True)
    lines.begin(1)
    assert terminal.stream.getvalue().rpartition("\r")[2].split() == ["step", "1", "health", "0", "of", "2", "…"]
    lines.clear()
    assert terminal.stream.getvalue().endswith(" \r")
