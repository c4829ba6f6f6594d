import io
from collections.abc import Iterator
from contextlib import contextmanager

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from tsse_validation.steps.progress import ProgressReporter


def plain() -> tuple[ProgressReporter, io.StringIO]:
    stream = io.StringIO()
    return ProgressReporter(Console(file=stream, width=200)), stream


def test_a_line_is_printed_as_it_is() -> None:
    reporter, stream = plain()
    reporter.say("[bold]not markup[/bold] " + "x" * 300)
    assert stream.getvalue() == "[bold]not markup[/bold] " + "x" * 300 + "\n"


def test_rows_a_second_and_the_time_that_is_left_are_told() -> None:
    stream = io.StringIO()
    seconds = iter([0.0, 2.0, 2.0, 4.0, 4.0])
    reporter = ProgressReporter(Console(file=stream, width=200), clock=lambda: next(seconds))
    with reporter.track("digests") as update:
        update(1, 4, "one", rows=3_000_000)
        update(4, 4, "all", rows=1_000_000)
    assert stream.getvalue().splitlines() == [
        "digests: 1/4 (25 %) one, 1,500,000 rows/s, 6 s left",
        "digests: 4/4 (100 %) all, 1,000,000 rows/s",
    ]


def test_on_a_terminal_the_bar_has_the_rows_a_second() -> None:
    stream = io.StringIO()
    seconds = iter([0.0, 2.0])
    console = Console(file=stream, force_terminal=True, width=150)
    reporter = ProgressReporter(console, clock=lambda: next(seconds))
    with reporter.track("digests") as update:
        update(1, 4, "one", rows=3_000_000)
    assert "one, 1,500,000 rows/s" in stream.getvalue()


@given(st.integers(1, 400))
def test_without_a_terminal_progress_is_a_line_each_ten_per_cent_up_to_the_end(total: int) -> None:
    stream = io.StringIO()
    reporter = ProgressReporter(Console(file=stream, width=200), clock=lambda: 0.0)
    with reporter.track("rows") as update:
        for done in range(total + 1):
            update(done, total, f"day {done}")
    lines = [line.removesuffix(", 0 s left") for line in stream.getvalue().splitlines()]
    assert len(lines) <= 11
    assert lines[0] == f"rows: 0/{total} (0 %) day 0"
    assert lines[-1] == f"rows: {total}/{total} (100 %) day {total}"


def test_progress_of_unknown_length_says_nothing_without_a_terminal() -> None:
    reporter, stream = plain()
    with reporter.track("rows") as update:
        update(1, None, "a")
        update(1, 0, "b")
    assert stream.getvalue() == ""


def test_on_a_terminal_progress_is_a_bar_that_goes_away() -> None:
    stream = io.StringIO()
    reporter = ProgressReporter(Console(file=stream, force_terminal=True, width=100))
    with reporter.track("rows") as update:
        update(1, 2, "[half]")
    assert "rows" in stream.getvalue()
    assert "[half]" in stream.getvalue()


def test_every_line_is_printed_where_nothing_is_captured() -> None:
    opened: list[str] = []

    @contextmanager
    def unsuspended() -> Iterator[None]:
        opened.append("in")
        yield
        opened.append("out")

    ProgressReporter(Console(file=io.StringIO()), unsuspended).say("hello")
    assert opened == ["in", "out"]
