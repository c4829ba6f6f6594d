"""A log that cannot be written any more stays readable, takes nothing more, and is told in a sentence."""

import errno
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.builders import run_started
from tests.support.differing import LINE, room_for, table
from tsse_validation.domain.errors import LogError
from tsse_validation.pytest_plugin.ending import end_run
from tsse_validation.report.model.document import REPORT_HTML
from tsse_validation.runlog.difference_files import DIFFERENCE_NAMES
from tsse_validation.runlog.log import RunLog, read_log
from tsse_validation.runlog.records import Note
from tsse_validation.runlog.redaction import Redactor
from tsse_validation.settings.loading import load_settings
from tsse_validation.steps.run import begin_run

LONG = Note(text="x" * 3_000)
INCOMPLETE, NO_GO, INTERNAL = 6, 1, 3


def full(log: RunLog) -> LogError:
    """Write until the log takes nothing more."""
    while True:
        try:
            log.append(LONG)
        except LogError as error:
            return error


def test_a_log_that_runs_full_ends_with_a_whole_record(tmp_path: Path) -> None:
    log = RunLog(tmp_path / "run.jsonl", Redactor())
    log.append(run_started())
    with room_for(10_000):
        error = full(log)
    assert str(log.path) in error.message
    assert error.message.endswith(f"{os.strerror(errno.EFBIG)}.")
    assert error.advice
    kept = list(read_log(log.path))
    assert kept[1:] == [LONG] * (len(kept) - 1)
    assert len(kept) > 2
    # there is room again, but a hole in the evidence would not be seen
    with pytest.raises(LogError):
        log.append(Note(text="later"))
    log.close()
    assert list(read_log(log.path)) == kept


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system of 64 KiB, or lend a directory whose files cannot grow beyond that."""
    place = tmp_path / "small"
    place.mkdir()
    mount, umount = shutil.which("mount"), shutil.which("umount")
    mounted = False
    if os.geteuid() == 0 and mount and umount:
        given = [mount, "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)]
        mounted = subprocess.run(given, check=False, capture_output=True).returncode == 0
    if mounted and umount:
        yield place
        subprocess.run([umount, str(place)], check=True)
    else:
        with room_for(64 * 1024):
            yield place


def test_a_run_on_a_full_disk_is_incomplete_and_keeps_what_it_has(small_disk: Path, tmp_path: Path) -> None:
    run = begin_run(load_settings({"report_dir": small_disk}, tmp_path), {})
    full(run.log)
    ended = end_run(run, 0, "", "")
    assert ended.exit_code == INCOMPLETE
    assert "could not be written" in ended.lines[0]
    assert ended.document is None or "its log stops in the middle" in " ".join(ended.document.verdict.reasons)
    assert len(list(read_log(run.log.path))) > 1


def test_reports_that_cannot_be_written_leave_the_log_and_no_go(small_disk: Path, tmp_path: Path) -> None:
    run = begin_run(load_settings({"report_dir": small_disk}, tmp_path), {})
    run.record(Note(text="x" * 40_000))
    ended = end_run(run, 0, "", "")
    assert (ended.exit_code, ended.written) == (INCOMPLETE, None)
    assert ended.document is not None
    assert ended.document.result.finished is not None
    (line,) = ended.lines
    assert line.startswith("The reports could not be written: ")
    assert "Without them a run is no GO" in line


@pytest.mark.parametrize("what", ["gone", "torn", "foreign"])
def test_a_log_that_is_not_what_was_written_is_told(what: str, tmp_path: Path) -> None:
    run = begin_run(load_settings({"report_dir": tmp_path}, tmp_path), {})
    if what == "gone":
        shutil.rmtree(run.directory)
    else:
        run.log.path.write_text("{}\n" if what == "torn" else "not ours\n", encoding="utf-8")
    ended = end_run(run, 0, "", "")
    assert (ended.exit_code, ended.document, ended.written) == (INCOMPLETE, None, None)
    assert any(f"The run log {run.log.path} could not be read back" in line for line in ended.lines)


def test_a_crash_inside_of_pytest_keeps_its_code_and_says_what_it_was(tmp_path: Path) -> None:
    run = begin_run(load_settings({"report_dir": tmp_path}, tmp_path), {})
    ended = end_run(run, pytest.ExitCode.INTERNAL_ERROR, "", "a plugin has crashed: RuntimeError: boom.")
    assert ended.exit_code == INTERNAL
    assert ended.document is not None
    assert any("RuntimeError: boom" in reason for reason in ended.document.verdict.reasons)


def test_a_page_of_pytests_own_that_cannot_be_written_leaves_the_verdict(tmp_path: Path) -> None:
    run = begin_run(load_settings({"report_dir": tmp_path}, tmp_path), {})
    ended = end_run(run, 0, "", "")
    ended.met(OSError(errno.ENOSPC, "No space left on device", "tests.html"))
    assert ended.exit_code == INCOMPLETE
    assert ended.lines == ["A page of pytest's tests.html could not be written: No space left on device."]
    ended.met(RuntimeError("boom"))
    assert ended.exit_code == INTERNAL
    assert "RuntimeError: boom" in ended.lines[1]


def test_a_run_that_is_interrupted_while_it_compares_rows_keeps_what_it_has_found(tmp_path: Path) -> None:
    run = begin_run(load_settings({"report_dir": tmp_path}, tmp_path), {})
    run.differences.begin()
    run.differences.append(table([LINE, LINE]), [run.differences.diagnosis("rows missing")] * 2)
    ended = end_run(run, pytest.ExitCode.INTERRUPTED, "", "")
    assert ended.document is not None
    kept = ended.document.result.differences_kept
    assert kept is not None
    assert (kept.rows, kept.complete, [file.rows for file in kept.files]) == (2, False, [2, 2])
    assert "did not come to its end" in (run.directory / REPORT_HTML).read_text(encoding="utf-8")
    assert {path.name for path in run.directory.glob("differences*")} == set(DIFFERENCE_NAMES)


@pytest.mark.parametrize("given", ["auth_token_file", "view_token_file", "setup_config", "database_url"])
def test_a_secret_in_the_release_label_is_masked_from_the_first_line_on(given: str, tmp_path: Path) -> None:
    secret, path = "Zx9" * 14 + "Q", tmp_path / "given"
    dsn = f"postgresql://farm:{secret}@127.0.0.1/farm"
    path.write_text(json.dumps({"database_url": dsn}) if given == "setup_config" else secret, encoding="utf-8")
    value = dsn if given == "database_url" else str(path)
    label = {"release_label": f"build {secret}", "report_dir": tmp_path / "reports"}
    run = begin_run(load_settings({**label, given: value}, tmp_path, for_run=False), {})
    run.log.close()
    assert "release_label" in run.log.path.read_text(encoding="utf-8")
    assert secret not in run.log.path.read_text(encoding="utf-8")
