"""Tries of settings end in time whatever hangs or crashes, and say how far clocks are apart."""

import os
from collections.abc import Callable
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path
from threading import Event

import pytest

from tsse_validation.clients.watch import ControllerClock
from tsse_validation.domain.errors import NotCheckedError, PromiseBrokenError, SettingsError, UnreachableError
from tsse_validation.domain.instants import utc_now
from tsse_validation.pytest_plugin.starting import tried_in_lines
from tsse_validation.runlog.setting_record import SettingTried, TryOutcome
from tsse_validation.settings.definitions import Settings
from tsse_validation.settings.files import UnreadableError
from tsse_validation.settings.loading import load_settings, load_to_try
from tsse_validation.steps.attempts import Attempt, Chain, Seen, try_all
from tsse_validation.steps.doctor import seen_of_clocks, try_settings
from tsse_validation.steps.doctor_places import written_places_tried

NOBODY = "http://127.0.0.1:9"


def attempt(look: Callable[[], Seen], option: str = "--x") -> Attempt:
    return Attempt(option, "default", lambda: "there", look)


def raising(error: Exception) -> Callable[[], Seen]:
    def look() -> Seen:
        raise error

    return look


def of(tried: list[SettingTried], option: str) -> SettingTried:
    (one,) = [one for one in tried if one.option == option]
    return one


@pytest.mark.parametrize(
    ("error", "outcome", "words"),
    [
        (SettingsError("it is none.", "Give one."), TryOutcome.WRONG, "it is none. Give one."),
        (ValueError("is empty"), TryOutcome.WRONG, "it is empty."),
        (UnreachableError("nobody there.", "Start it."), TryOutcome.NOT_OK, "nobody there. Start it."),
        (PromiseBrokenError("torn."), TryOutcome.NOT_OK, "torn."),
        (UnreadableError("it is root's"), TryOutcome.NOT_OK, "it is root's. Run as its owner"),
        (OSError(5, "Input/output error"), TryOutcome.NOT_OK, "Input/output error."),
        (RuntimeError("s3cr3t"), TryOutcome.NOT_OK, "unexpected RuntimeError. Please report this."),
    ],
)
def test_each_kind_of_failure_is_a_line_and_nothing_comes_out(
    error: Exception, outcome: TryOutcome, words: str
) -> None:
    made = attempt(raising(error)).made()
    assert made.outcome is outcome
    assert made.in_words.startswith(f"{outcome.in_words}: --x there (default): {words}")
    assert "s3cr3t" not in made.in_words


def test_what_hangs_is_told_and_keeps_nobody_else() -> None:
    never = Event()

    def hangs() -> Seen:
        never.wait()
        return Seen("late")

    def chain(*attempts: Attempt) -> Chain:
        yield from attempts

    fine = attempt(lambda: Seen("fine"))
    tried = try_all(
        [chain(fine, attempt(hangs, "--hangs"), fine), chain(fine)],
        longest_seconds=0.2,
    )
    assert [(one.option, one.outcome) for one in tried] == [
        ("--x", TryOutcome.OK),
        ("--hangs", TryOutcome.NOT_OK),
        ("--x", TryOutcome.OK),
    ]
    assert "it has not ended after 0.2 s" in tried[1].in_words
    never.set()


def clock(offset: float) -> ControllerClock:
    return ControllerClock(format_datetime(utc_now() + timedelta(seconds=offset)))


def test_clocks_that_agree_are_ok_and_those_apart_are_told() -> None:
    assert seen_of_clocks(clock(0), 0.3).outcome is TryOutcome.OK
    off = seen_of_clocks(clock(600), 600.0)
    assert off.outcome is TryOutcome.WARNED
    assert "+600 s off ours" in off.found or "+599 s off ours" in off.found
    assert "Postgres's agrees with it" in off.found
    with pytest.raises(NotCheckedError, match="how far the lake is behind Postgres cannot be told"):
        seen_of_clocks(clock(0), 90.0)
    assert seen_of_clocks(None, None).outcome is TryOutcome.UNKNOWN


def test_a_run_prints_what_is_not_right_and_all_of_it_when_asked() -> None:
    fine, bad = attempt(lambda: Seen("fine")).made(), attempt(raising(UnreachableError("gone."))).made()
    unknown = attempt(lambda: Seen("who knows", TryOutcome.UNKNOWN)).made()
    assert list(tried_in_lines([fine, unknown], whole=False)) == ["2 settings tried, all ok"]
    assert list(tried_in_lines([fine, bad], whole=False)) == ["2 settings tried, 1 to look at", bad.in_words]
    assert list(tried_in_lines([fine, unknown], whole=True))[1:] == [fine.in_words, unknown.in_words]


@pytest.fixture
def given(tmp_path: Path) -> dict[str, object]:
    token = tmp_path / "token.txt"
    token.write_text("a-token\n")
    token.chmod(0o600)
    return {"base_url": NOBODY, "auth_token_file": token, "report_dir": tmp_path / "reports"}


def test_a_token_goes_nowhere_where_no_core_server_was_met(given: dict[str, object], tmp_path: Path) -> None:
    tried = try_settings(load_to_try(given, tmp_path, "http://unused"))
    assert of(tried, "--base-url").outcome is TryOutcome.NOT_OK
    at, file = [one for one in tried if one.option == "--auth-token-file"]
    assert (at.outcome, file.outcome) == (TryOutcome.UNKNOWN, TryOutcome.OK)
    assert not any("a-token" in one.in_words for one in tried)
    assert not (tmp_path / "reports").exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "the file is empty"),
        (b"\n\na-token\n", "it is blank"),
        (b"\xef\xbb\xbfa-token\n", "byte order mark"),
        (b"Bearer a-token\n", "it begins with “Bearer”"),
    ],
)
def test_a_wrong_token_file_is_one_line_and_the_rest_is_tried(
    content: bytes, words: str, given: dict[str, object], tmp_path: Path
) -> None:
    (tmp_path / "token.txt").write_bytes(content)
    tried = try_settings(load_to_try(given, tmp_path, "http://unused"))
    (line,) = [one for one in tried if one.outcome is TryOutcome.WRONG]
    assert words in line.found
    assert line.advice
    assert of(tried, "--report-dir").outcome is TryOutcome.OK


def test_a_value_that_no_setting_can_be_is_a_line_and_the_rest_is_tried(
    given: dict[str, object], tmp_path: Path
) -> None:
    given |= {"ca_file": tmp_path / "none.pem", "qdrant_url": "ftp://q"}
    tried = try_settings(load_to_try(given, tmp_path, "http://unused"))
    wrong = {one.option: one.found for one in tried if one.outcome is TryOutcome.WRONG}
    assert set(wrong) == {"--ca-file", "--qdrant-url"}
    assert "is not a file that can be found" in wrong["--ca-file"]


@pytest.mark.parametrize("address", ["http://u:s3cr3t@127.0.0.1:9/", "127.0.0.1:9", "http://"])
def test_an_address_that_is_none_is_told_and_nothing_is_said_to_be_all_ok(
    address: str, given: dict[str, object], tmp_path: Path
) -> None:
    tried = try_settings(load_to_try(given | {"base_url": address}, tmp_path, "http://unused"))
    assert of(tried, "--base-url").outcome is TryOutcome.WRONG
    assert not any("s3cr3t" in one.in_words for one in tried)


def test_where_the_reports_cannot_be_written_is_told(
    shared_dir: Path, as_another_user: Callable[[], None]
) -> None:
    closed = shared_dir / "closed"
    closed.mkdir(mode=0o755)
    (closed / "file").touch()
    if os.geteuid() != 0:
        closed.chmod(0o555)
    for place, words in (
        (closed / "below", "may not write to"),
        (closed / "file" / "below", "is not a directory"),
    ):
        as_another_user()
        (attempt,) = written_places_tried(Settings(report_dir=place), {})
        line = attempt.made()
        assert line.outcome is TryOutcome.NOT_OK
        assert words in line.found


def test_of_a_stack_of_our_own_only_what_is_there_is_tried(tmp_path: Path) -> None:
    tried = try_settings(load_settings({"report_dir": tmp_path}, tmp_path))
    assert [one.option for one in tried] == ["--report-dir", "versions"]
