"""The files of a run, and the page over several runs."""

import json
import re
from pathlib import Path

import pytest

from tests.support.report_builders import ALL, SCENARIOS, go, hostile, no_go
from tests.unit.report.test_report_html import Page
from tsse_validation.report.model.document import read_result_json, write_atomically
from tsse_validation.report.run_index import write_index
from tsse_validation.report.writer import write_reports
from tsse_validation.runlog.result import RunResult


@ALL
def test_all_reports_are_written_and_nothing_else_is_left(of: RunResult, tmp_path: Path) -> None:
    written = write_reports(tmp_path / "run", of)
    assert {path.name for path in (tmp_path / "run").iterdir()} == {
        "result.json",
        "tsse-lake-parity-20260124_1635.md",
        "junit.xml",
        "ctrf.json",
        "report.html",
    }
    assert set(written.paths) == set((tmp_path / "run").iterdir())
    assert read_result_json(written.result_json) == written.document
    assert written.verdict == written.document.verdict


def test_reports_of_hostile_text_can_be_written(tmp_path: Path) -> None:
    written = write_reports(tmp_path, hostile("\ud800\x00\u202e<img onerror>" + "w" * 10_000))
    assert all(path.stat().st_size for path in written.paths)


def test_writing_again_replaces_the_reports(tmp_path: Path) -> None:
    write_reports(tmp_path, go())
    written = write_reports(tmp_path, no_go())
    assert len(list(tmp_path.iterdir())) == 5
    assert read_result_json(written.result_json).verdict.outcome == "NO-GO"


def test_a_failed_write_leaves_the_old_file_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "result.json"
    path.write_bytes(b"old")

    def no_space(_: Path, __: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", no_space)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, b"new")
    monkeypatch.undo()
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("result.json", b"old")]


def test_every_run_is_there_and_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    for name, of in SCENARIOS:
        write_reports(tmp_path / name, of)
    (tmp_path / "crashed early").mkdir()
    (tmp_path / "crashed early" / "run.jsonl").write_text("{")
    (tmp_path / "no run").mkdir()
    whole = write_index(tmp_path).read_text(encoding="utf-8")
    text = Page(whole).text
    links = set(re.findall('<a href="([^"]*)"', whole))
    assert links == {f"{name.replace(' ', '%20')}/report.html" for name, _ in SCENARIOS}
    assert "Without a result that can be read: crashed early . They prove nothing." in text
    assert "no run" not in text
    assert "not borne out" not in text


def test_the_trends_say_what_was_measured_and_what_was_not(tmp_path: Path) -> None:
    for name in ("go", "no-go", "empty"):
        write_reports(tmp_path / name, dict(SCENARIOS)[name])
    whole = write_index(tmp_path).read_text(encoding="utf-8")
    text = Page(whole).text
    assert "Differing rows, oldest run first: at most 3" in text
    assert "Files in the lake, oldest run first: at most 1,457" in text
    assert "Highest age of the watermark, oldest run first: at most 118.0 s" in text
    assert whole.count(">not measured</td>") == 4
    labels = re.findall('class="tsse-plot"[^>]* aria-label="([^"]*)"', whole)
    assert len(labels) == 6
    assert all("the table above has the numbers" in label for label in labels)


def test_a_quantity_that_no_run_has_measured_is_said_to_be_not_measured(tmp_path: Path) -> None:
    for name in ("one", "other"):
        write_reports(tmp_path / name, dict(SCENARIOS)["empty"])
    assert "Files in the lake, oldest run first: at most not measured" not in (
        text := Page(write_index(tmp_path).read_text(encoding="utf-8")).text
    )
    assert "Files in the lake, oldest run first: not measured" in text


def test_a_verdict_that_was_changed_is_said_to_be(tmp_path: Path) -> None:
    path = write_reports(tmp_path / "run", dict(SCENARIOS)["no-go"]).result_json
    forged = json.loads(path.read_bytes())
    forged["verdict"]["outcome"] = "GO"
    path.write_text(json.dumps(forged))
    assert "not borne out by its records" in Page(write_index(tmp_path).read_text(encoding="utf-8")).text


def test_hostile_text_adds_nothing_to_it(tmp_path: Path) -> None:
    shapes = []
    for name, text in (("plain", "plain"), ("hostile", "</script><img onerror=alert(1)>")):
        write_reports(tmp_path / name / "run", hostile(text))
        shapes.append(Page(write_index(tmp_path / name).read_text(encoding="utf-8")).tags)
    assert shapes[0] == shapes[1]
