import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.support.report_builders import SCENARIOS, crashed, go, hostile
from tsse_validation.report.model.document import ReportDocument, read_result_json, to_json, write_result_json
from tsse_validation.runlog.result import RunResult


@pytest.mark.parametrize("result", [result for _, result in SCENARIOS], ids=[name for name, _ in SCENARIOS])
def test_result_json_reads_back_as_it_was_written(result: RunResult, tmp_path: Path) -> None:
    document = ReportDocument.of(result)
    path = tmp_path / "result.json"
    write_result_json(path, document)
    assert read_result_json(path) == document


@given(st.text())
def test_result_json_carries_any_text_unchanged(text: str) -> None:
    document = ReportDocument.of(hostile(text))
    assert ReportDocument.model_validate_json(to_json(document)) == document


def test_result_json_survives_a_lone_surrogate() -> None:
    read = ReportDocument.model_validate_json(to_json(ReportDocument.of(hostile("a\ud800b"))))
    assert read.run_id == "a?b"


def test_result_json_is_one_line_of_utf_8_with_the_verdict_on_top() -> None:
    content = to_json(ReportDocument.of(go()))
    assert content.count(b"\n") == 1
    read = json.loads(content)
    assert list(read) == ["schema_version", "run_id", "verdict", "result"]
    assert read["schema_version"] == 1
    assert read["verdict"]["outcome"] == "GO"


def test_a_crashed_run_has_no_end_and_its_interrupted_check() -> None:
    read = json.loads(to_json(ReportDocument.of(crashed())))
    assert read["result"]["finished"] is None
    assert [check["check_id"] for check in read["result"]["interrupted"]] == ["backfill_job_completes"]


@pytest.mark.parametrize("change", [{"schema_version": 2}, {"surprise": 1}, {"verdict": None}])
def test_a_document_of_another_schema_is_refused(change: dict[str, object], tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text(json.dumps(json.loads(to_json(ReportDocument.of(go()))) | change))
    with pytest.raises(ValidationError):
        read_result_json(path)
