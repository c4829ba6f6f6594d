"""The page over the runs is written after each run: it costs little, and what goes wrong there breaks nothing."""

import fcntl
import json
import os
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.builders import run_started
from tests.support.report_builders import go, hostile, no_go, with_long_messages
from tests.unit.report.test_report_html import Page
from tsse_validation.report import run_index
from tsse_validation.report.model.document import RESULT_JSON, read_result_json
from tsse_validation.report.run_index import INDEX_HTML, INDEX_JSON, MOST_NEW, index_after_run, write_index
from tsse_validation.report.writer import write_reports
from tsse_validation.runlog.result import RunResult


def kept(directory: Path, name: str, of: RunResult | None = None, **started: object) -> Path:
    result = of or go()
    return write_reports(
        directory / name, result.model_copy(update={"started": run_started(run_id=name, **started)})
    ).result_json


def shown(directory: Path) -> str:
    return Page((directory / INDEX_HTML).read_text(encoding="utf-8")).text


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the names of the folders whose results are read."""
    seen: list[str] = []
    read = read_result_json

    def watched(path: Path) -> object:
        seen.append(path.parent.name)
        return read(path)

    monkeypatch.setattr(run_index, "read_result_json", watched)
    return seen


def test_what_was_read_once_is_not_read_again_until_it_changes(tmp_path: Path, reads: list[str]) -> None:
    kept(tmp_path, "20260101T000000Z-live-aaaa")
    assert index_after_run(tmp_path) == ""
    kept(tmp_path, "20260102T000000Z-live-bbbb", no_go())
    assert index_after_run(tmp_path) == ""
    assert reads == ["20260101T000000Z-live-aaaa", "20260102T000000Z-live-bbbb"]
    kept(tmp_path, "20260101T000000Z-live-aaaa", no_go())
    assert index_after_run(tmp_path) == ""
    assert reads[2:] == ["20260101T000000Z-live-aaaa"]
    assert shown(tmp_path).count("NO-GO") == 2
    once = (tmp_path / INDEX_HTML).read_bytes()
    write_index(tmp_path)
    assert (tmp_path / INDEX_HTML).read_bytes() == once, "known and read anew are not told alike"
    assert len(reads) == 5, "the command reads all anew"


def test_years_of_runs_cost_a_run_no_more_than_a_few_and_the_rest_are_counted(
    tmp_path: Path, reads: list[str]
) -> None:
    for number in range(MOST_NEW + 3):
        kept(tmp_path, f"202601{number + 1:02}T000000Z-live-aaaa")
    assert index_after_run(tmp_path) == ""
    assert reads == sorted(reads, reverse=True), "the newest first"
    assert len(reads) == MOST_NEW
    assert "3 more runs in the directory: tsse-validate index lists all." in shown(tmp_path)
    assert index_after_run(tmp_path) == ""
    assert len(reads) == MOST_NEW + 3
    assert "more run" not in shown(tmp_path)


def test_a_result_too_large_and_runs_too_many_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for day in (1, 2, 3):
        kept(tmp_path, f"2026010{day}T000000Z-live-aaaa")
    monkeypatch.setattr(run_index, "MOST_NEW_BYTES", 10)
    assert index_after_run(tmp_path) == ""
    assert "3 more runs in the directory" in shown(tmp_path)
    monkeypatch.undo()
    monkeypatch.setattr(run_index, "MOST_SHOWN", 2)
    assert index_after_run(tmp_path) == ""
    assert "1 more run in the directory" in shown(tmp_path)


@pytest.mark.parametrize(
    "torn", [b"", b"{", b'{"schema_version": 2}', b"\xff", b'{"suite_version": "0.0.1"}', b"[" * 99_999]
)
def test_what_is_known_may_be_torn_or_another_version_s(tmp_path: Path, torn: bytes) -> None:
    kept(tmp_path, "20260101T000000Z-live-aaaa")
    (tmp_path / INDEX_JSON).write_bytes(torn)
    assert index_after_run(tmp_path) == ""
    assert json.loads((tmp_path / INDEX_JSON).read_bytes())["runs"][0]["run"]["label"] == "GO"


def test_what_another_version_has_read_is_read_again(tmp_path: Path, reads: list[str]) -> None:
    kept(tmp_path, "20260101T000000Z-live-aaaa")
    index_after_run(tmp_path)
    known = json.loads((tmp_path / INDEX_JSON).read_bytes()) | {"suite_version": "0.0.1"}
    (tmp_path / INDEX_JSON).write_text(json.dumps(known))
    index_after_run(tmp_path)
    assert len(reads) == 2


def test_what_was_validated_is_told_whole_and_a_long_reason_by_its_beginning(tmp_path: Path) -> None:
    kept(tmp_path, "20260101T000000Z-live-aaaa", with_long_messages())
    assert index_after_run(tmp_path) == ""
    stack = no_go().stack
    assert stack is not None
    assert f"{stack.kind} stack at {stack.base_url} " in shown(tmp_path)
    assert "words words … (the rest is in the report)" in shown(tmp_path)
    assert "cut]" not in shown(tmp_path)


def test_a_run_without_a_result_is_named_and_other_folders_are_not(tmp_path: Path) -> None:
    kept(tmp_path, "20260101T000000Z-live-aaaa")
    (tmp_path / "20260102T000000Z-live-dead").mkdir()
    (tmp_path / "20260102T000000Z-live-dead" / "run.jsonl").touch()
    (tmp_path / "holiday pictures").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "20260101T000000Z-live-aaaa")
    (tmp_path / os.fsdecode(b"\xff")).mkdir()
    (tmp_path / os.fsdecode(b"\xff") / RESULT_JSON).touch()
    assert index_after_run(tmp_path) == ""
    text = shown(tmp_path)
    assert "20260102T000000Z-live-dead" in text
    assert "They prove nothing." in text
    assert "holiday" not in text
    assert text.count("GO by") + text.count("link") == 0


def test_a_page_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    kept(tmp_path, "20260101T000000Z-live-aaaa")
    (tmp_path / INDEX_HTML).mkdir()
    said = index_after_run(tmp_path)
    assert said == f"The page over all runs, {tmp_path / INDEX_HTML}, could not be written: Is a directory."
    assert "No such file" in index_after_run(tmp_path / "nowhere")


def test_whatever_lies_there_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> str:
        raise RecursionError("too deep")

    monkeypatch.setattr(run_index, "render_index", broken)
    assert index_after_run(tmp_path).endswith("could not be written: RecursionError.")


def test_hostile_text_of_a_run_can_be_kept(tmp_path: Path) -> None:
    write_reports(tmp_path / "run", hostile("\ud800\x00<img onerror=alert(1)>"))
    for _ in range(2):  # read, and then known
        assert index_after_run(tmp_path) == ""
        assert "<img" not in (tmp_path / INDEX_HTML).read_text(encoding="utf-8")


@pytest.fixture
def held(tmp_path: Path) -> Iterator[int]:
    """Hold the directory's lock, as a run does that is writing the page."""
    handle = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    yield handle
    os.close(handle)


def test_a_page_that_another_run_is_writing_is_waited_for_and_then_a_sentence(
    tmp_path: Path, held: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept(tmp_path, "20260101T000000Z-live-aaaa")
    monkeypatch.setattr(run_index, "_TURN_SECONDS", 0.0)
    assert "another run is writing it" in index_after_run(tmp_path)
    assert not (tmp_path / INDEX_HTML).exists()
    fcntl.flock(held, fcntl.LOCK_UN)
    assert index_after_run(tmp_path) == ""


def test_a_file_system_without_locks_has_a_page_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(_: int, __: int) -> None:
        raise OSError(95, "Operation not supported")

    kept(tmp_path, "20260101T000000Z-live-aaaa")
    monkeypatch.setattr("fcntl.flock", no_locks)
    assert index_after_run(tmp_path) == ""
    assert (tmp_path / INDEX_HTML).exists()


def test_runs_that_end_at_once_are_all_on_the_page(tmp_path: Path) -> None:
    names = [f"2026010{day}T000000Z-live-aaaa" for day in range(1, 7)]

    def end(name: str) -> str:
        kept(tmp_path, name)
        return index_after_run(tmp_path)

    with ThreadPoolExecutor(len(names)) as runs:
        assert list(runs.map(end, names)) == [""] * len(names)
    text = shown(tmp_path)
    assert [name for name in names if name not in text] == []
    assert {path.name for path in tmp_path.iterdir() if path.is_file()} == {INDEX_HTML, INDEX_JSON}
    assert stat.S_ISREG((tmp_path / INDEX_HTML).stat().st_mode)


def test_the_release_is_on_the_page(tmp_path: Path) -> None:
    kept(tmp_path, "20260101T000000Z-live-aaaa", release_label="3.2.0-rc1")
    assert index_after_run(tmp_path) == ""
    assert "3.2.0-rc1" in shown(tmp_path)
