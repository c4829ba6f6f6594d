"""Only the runbook's commands are run, with exactly the runbook's arguments."""

import re
import shlex
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.builders import WINDOW
from tsse_validation.clients.helper_calls import (
    BACKFILL,
    HELPER_CALLS,
    INSPECTOR,
    PARITY_CHECK,
    HelperCall,
    backfill_call,
    hold_call,
    inspector_call,
    parity_call,
)
from tsse_validation.domain.errors import NotAllowedError
from tsse_validation.domain.windows import Window
from tsse_validation.settings.helper_form import HELPER_NAMES, as_helpers, helper_words

ROOT = Path(__file__).parents[2]
URL, TOKEN = "http://127.0.0.1:8000", Path("/path/to/token.txt")
CALLS = (
    inspector_call(URL, TOKEN),
    backfill_call(URL, TOKEN, days=90, poll_seconds=5, timeout_seconds=14_400),
    parity_call(URL, TOKEN, WINDOW, Path("reports/tsse-lake-parity.md")),
)


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.helper)
def test_the_runbooks_commands_are_let_pass(call: HelperCall) -> None:
    hold_call(call)


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.helper)
def test_each_command_has_the_options_that_the_runbook_shows(call: HelperCall) -> None:
    runbook = (ROOT / "docs" / "RUNBOOK.md").read_text(encoding="utf-8").replace("\\\n", " ")
    shown = next(line for line in runbook.splitlines() if f"--bin {call.helper} --" in line)
    options = [word for word in shlex.split(shown.partition(f"{call.helper} --")[2]) if word.startswith("--")]
    given_ones = [word for word in call.arguments if word.startswith("--")]
    # the address of the controller is the default in the runbook's backfill, and the waits are bounded
    bounds = {"--base-url", "--poll-seconds", "--timeout-seconds"}
    assert [word for word in given_ones if word not in bounds] == options


def test_the_table_names_the_runbooks_helpers_and_no_others() -> None:
    assert (INSPECTOR, BACKFILL, PARITY_CHECK) == HELPER_NAMES == tuple(HELPER_CALLS)


@pytest.mark.parametrize(
    "call",
    [
        HelperCall("rm", ("-rf", "/")),
        HelperCall(INSPECTOR, ()),
        HelperCall(INSPECTOR, ("--mode", "direct", *CALLS[0].arguments[2:])),
        HelperCall(INSPECTOR, (*CALLS[0].arguments, "--auth-token", "x")),
        HelperCall(BACKFILL, tuple("0" if word == "90" else word for word in CALLS[1].arguments)),
        HelperCall(BACKFILL, tuple("366" if word == "90" else word for word in CALLS[1].arguments)),
        HelperCall(BACKFILL, tuple(word for word in CALLS[1].arguments if word != "--replace-existing")),
        HelperCall(PARITY_CHECK, (*CALLS[2].arguments, "--database-url", "postgresql://x")),
        HelperCall(PARITY_CHECK, tuple("10000" if word == "5" else word for word in CALLS[2].arguments)),
    ],
)
def test_any_other_command_is_refused(call: HelperCall) -> None:
    with pytest.raises(NotAllowedError, match="the runbook has no such command"):
        hold_call(call)


@given(st.lists(st.text(max_size=12), max_size=8))
def test_no_list_of_words_that_is_not_the_runbooks_is_let_pass(words: list[str]) -> None:
    for helper in HELPER_NAMES:
        with pytest.raises(NotAllowedError):
            hold_call(HelperCall(helper, tuple(words)))


@given(st.integers(1, 365), st.integers(1, 60), st.integers(1, 10**6))
def test_every_number_of_days_that_the_controller_takes_is_let_pass(days: int, poll: int, timeout: int) -> None:
    hold_call(backfill_call(URL, TOKEN, days=days, poll_seconds=poll, timeout_seconds=timeout))


@given(st.datetimes(timezones=st.just(UTC)), st.datetimes(timezones=st.just(UTC)))
def test_every_window_is_let_pass_to_the_microsecond(one: datetime, other: datetime) -> None:
    start, end = sorted((one, other))
    call = parity_call(URL, TOKEN, Window(start, end), Path("/r.md"))
    hold_call(call)
    assert [datetime.fromisoformat(word) for word in call.arguments if re.match(r"\d{4}-", word)] == [start, end]


def test_a_directory_gives_a_path_and_a_command_line_its_words(tmp_path: Path) -> None:
    (tmp_path / INSPECTOR).touch()
    assert helper_words(as_helpers(str(tmp_path)), INSPECTOR) == (f"{tmp_path}/{INSPECTOR}",)
    form = "env RUSTFLAGS='-C x' cargo run --bin {helper} --"
    assert helper_words(as_helpers(form), BACKFILL) == (
        "env",
        "RUSTFLAGS=-C x",
        "cargo",
        "run",
        "--bin",
        BACKFILL,
        "--",
    )


def test_a_home_directory_is_resolved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / INSPECTOR).touch()
    assert as_helpers("~") == str(tmp_path)
