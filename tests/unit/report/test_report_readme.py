"""`reports/README.md` says what the reports hold, all of it and nothing else."""

import json
import re
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from tsse_validation.domain.outcome import EXIT_CODES, EXIT_LEAK
from tsse_validation.domain.stack import Capability
from tsse_validation.grading import ProvenShare
from tsse_validation.report.ci_reports import SUITE, VERDICT_SUITE
from tsse_validation.report.model.document import ReportDocument
from tsse_validation.runlog.records import AnyRecord, CheckStatus, Record
from tsse_validation.runlog.result import RunResult
from tsse_validation.verdict import GateLine, NotChecked, Verdict

README = (Path(__file__).parents[3] / "reports" / "README.md").read_text(encoding="utf-8")
RECORDS: tuple[type[Record], ...] = get_args(get_args(AnyRecord)[0])


def documented(part: str) -> set[str]:
    return set(re.findall(r"`(\w+)`", part))


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.__name__)
def test_every_key_of_every_record_is_documented(record: type[Record]) -> None:
    kind = record.model_fields["record"].default
    paragraph = re.search(rf"^\*\*{kind}\*\*: .*?(?=^\*\*|^## )", README, re.MULTILINE | re.DOTALL)
    assert paragraph is not None
    assert set(record.model_fields) - {"record"} <= documented(paragraph[0])


@pytest.mark.parametrize("model", [ReportDocument, Verdict, GateLine, NotChecked, ProvenShare, RunResult])
def test_every_key_of_the_document_is_documented(model: type[BaseModel]) -> None:
    assert set(model.model_fields) <= documented(README)


def test_every_status_capability_and_exit_code_is_documented() -> None:
    assert {*CheckStatus, *Capability} <= documented(README)
    codes = re.findall(r"^\| (\d) \| ", README.split("## Exit codes")[1].split("## ")[0], re.MULTILINE)
    assert {int(code) for code in codes} == {*EXIT_CODES.values(), EXIT_LEAK, 2, 3, 4, 5}
    assert {f"`{SUITE}`", f"`{VERDICT_SUITE}`"} <= set(re.findall(r"`[^`\n]+`", README))


def keys_of(value: object, path: str = "") -> set[str]:
    """Return every key of a JSON value, with the keys that lead to it."""
    if isinstance(value, list):
        return {key for item in value for key in keys_of(item, path)}
    if not isinstance(value, dict):
        return set()
    return {key for name, item in value.items() for key in ({f"{path}.{name}"} | keys_of(item, f"{path}.{name}"))}


def test_the_example_is_a_document_with_every_kind_of_record_and_every_key() -> None:
    written = README.split("```json")[1].split("```")[0]
    example = ReportDocument.model_validate_json(written)
    assert all(getattr(example.result, name) for name in RunResult.model_fields)
    assert keys_of(json.loads(written)) == keys_of(json.loads(example.model_dump_json()))
