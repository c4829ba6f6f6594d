"""`tsse-validate report` makes a run's page again."""

import json
from pathlib import Path

import pytest

from tests.support.report_builders import go, hostile, no_go
from tsse_validation.cli import main
from tsse_validation.report.writer import write_reports


def ended(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["tsse-validate", *arguments])
    with pytest.raises(SystemExit) as exit_info:
        main()
    return int(exit_info.value.code or 0)


def test_the_page_is_the_same_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = write_reports(tmp_path, no_go())
    first = written.html.read_bytes()
    written.html.unlink()
    assert ended(monkeypatch, "report", str(written.result_json)) == 0
    assert written.html.read_bytes() == first


def test_it_goes_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    written = write_reports(tmp_path / "run", go())
    output = tmp_path / "elsewhere" / "page.html"
    assert ended(monkeypatch, "report", str(written.result_json), "--output", str(output)) == 0
    assert output.read_bytes() == written.html.read_bytes()
    assert capsys.readouterr().out == f"GO: {output}\n"


def test_hostile_text_survives_the_way_through_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = write_reports(tmp_path, hostile("</script><script>alert(1)</script>\ud800"))
    assert ended(monkeypatch, "report", str(written.result_json)) == 0


def test_a_verdict_that_its_records_do_not_bear_out_makes_no_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_reports(tmp_path, no_go()).result_json
    forged = json.loads(path.read_bytes())
    forged["verdict"]["outcome"] = "GO"
    path.write_text(json.dumps(forged))
    output = tmp_path / "forged.html"
    assert ended(monkeypatch, "report", str(path), "--output", str(output)) == 6
    assert "this suite decides NO-GO" in capsys.readouterr().err
    assert not output.exists()


@pytest.mark.parametrize("content", [None, "", "{}", "[1]"])
def test_what_is_no_result_is_said_in_a_line(
    content: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "result.json"
    if content is not None:
        path.write_text(content)
    assert ended(monkeypatch, "report", str(path)) == 4
    said = capsys.readouterr().err
    assert str(path) in said
    assert "Traceback" not in said
