import io
from collections.abc import Iterator
from contextlib import contextmanager

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from tests.support.builders import FakeClock
from tsse_validation.steps.progress import AGAIN_SECONDS, PLAIN_SECONDS, SILENT_SECONDS, ProgressReporter


def plain() -> tuple[ProgressReporter, io.StringIO]:
    stream = io.StringIO()
    return ProgressReporter(Console(file=stream, width=200)), stream


def test_a_line_is_printed_as_it_is() -> None:
    reporter, stream = plain()
    reporter.say("[bold]not markup[/bold] " + "x" * 300)
    assert stream.getvalue() == "[bold]not markup[/bold] " + "x" * 300 + "\n"


def test_rows_a_second_and_the_time_that_is_left_are_told() -> None:
    stream = io.StringIO()
    clock = FakeClock()
    reporter = ProgressReporter(Console(file=stream, width=200), clock=clock)
    with reporter.track("digests") as update:
        clock.sleep(20)
        update(1, 4, "one", rows=30_000_000)
        clock.sleep(20)
        update(4, 4, "all", rows=10_000_000)
    assert stream.getvalue().splitlines() == [
        "digests: 1/4 (25 %) one, 1,500,000 rows/s, 60 s left",
        "digests: 4/4 (100 %) all, 1,000,000 rows/s",
    ]


def test_on_a_terminal_the_bar_has_the_rows_a_second() -> None:
    stream = io.StringIO()
    clock = FakeClock()
    console = Console(file=stream, force_terminal=True, width=150)
    reporter = ProgressReporter(console, clock=clock)
    with reporter.track("digests") as update:
        clock.sleep(2)
        update(1, 4, "one", rows=3_000_000)
    assert "one, 1,500,000 rows/s" in stream.getvalue()


@given(st.integers(1, 400))
def test_without_a_terminal_progress_is_a_line_each_ten_per_cent_up_to_the_end(total: int) -> None:
    stream, clock = io.StringIO(), FakeClock()
    reporter = ProgressReporter(Console(file=stream, width=200), clock=clock)
    with reporter.track("rows") as update:
        for done in range(total + 1):
            clock.sleep(PLAIN_SECONDS)
            update(done, total, f"day {done}")
    lines = [line.partition(", ")[0] for line in stream.getvalue().splitlines()]
    assert len(lines) <= 11 + total * PLAIN_SECONDS / SILENT_SECONDS
    assert lines[0] == f"rows: 0/{total} (0 %) day 0"
    assert lines[-1] == f"rows: {total}/{total} (100 %) day {total}"


def test_what_takes_no_time_has_no_plain_line_but_where_its_beginning_is_news() -> None:
    for at_once, expected in ((False, []), (True, ["rows: 1/10 (10 %) day 1", "rows: 10/10 (100 %) day 10"])):
        stream = io.StringIO()
        reporter = ProgressReporter(Console(file=stream, width=200), clock=lambda: 0.0)
        with reporter.track("rows", at_once=at_once) as update:
            for done in range(1, 11):
                update(done, 10, f"day {done}")
        assert [line.removesuffix(", 0 s left") for line in stream.getvalue().splitlines()] == expected


def test_what_stands_still_for_long_is_said_to_go_on() -> None:
    stream, clock = io.StringIO(), FakeClock()
    with ProgressReporter(Console(file=stream, width=200), clock=clock).track("rows", at_once=True) as update:
        for _ in range(100):
            update(1, 1_000, "day 1")
            clock.sleep(SILENT_SECONDS / 10)
    assert len(stream.getvalue().splitlines()) == 10


WAIT = "waiting up to 60 s for the budget"


def test_a_wait_is_said_once_in_a_while() -> None:
    stream, clock = io.StringIO(), FakeClock()
    reporter = ProgressReporter(Console(file=stream, width=200), clock=clock)
    for _ in range(4):
        reporter.waits("the budget", 60.0)
        clock.sleep(AGAIN_SECONDS / 2)
    reporter.waits("the lock", 1_800.0)
    assert stream.getvalue().splitlines() == [WAIT, WAIT, "waiting up to 1,800 s for the lock"]


def test_a_wait_is_shown_by_the_bar_that_is_there() -> None:
    stream = io.StringIO()
    reporter = ProgressReporter(Console(file=stream, force_terminal=True, width=150))
    with reporter.track("parity job") as update:
        update(1, 2, "counted")
        reporter.waits("the budget", 60.0)
    assert WAIT in stream.getvalue()
    assert not any(line.startswith(WAIT) for line in stream.getvalue().splitlines())
    reporter.waits("the budget", 60.0)
    assert stream.getvalue().endswith(f"{WAIT}\n")


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
