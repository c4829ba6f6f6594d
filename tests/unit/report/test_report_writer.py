from pathlib import Path

import pytest

from tests.support.report_builders import SCENARIOS, go, hostile, no_go
from tsse_validation.report.model.document import read_result_json
from tsse_validation.report.model.files import write_atomically
from tsse_validation.report.writer import write_reports
from tsse_validation.runlog.result import RunResult


@pytest.mark.parametrize("of", [of for _, of in SCENARIOS], ids=[name for name, _ in SCENARIOS])
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


def test_a_write_that_fails_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "result.json"
    path.write_bytes(b"old")

    def no_space(_: Path, __: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", no_space)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, b"new")
    monkeypatch.undo()
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("result.json", b"old")]
