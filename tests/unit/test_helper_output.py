"""What the helpers print is read as the real ones print it, and what is foreign proves nothing."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsse_validation.clients.helper_output import (
    HelperEnd,
    ReportedCount,
    backfill_said,
    counts_in,
    failed_job,
    inspector_said,
    job_created,
    parity_said,
    tail_of,
    why_it_failed,
)
from tsse_validation.domain.errors import (
    AccessError,
    BudgetError,
    DeadlineError,
    NotCheckedError,
    PromiseBrokenError,
    SuiteError,
    UnreachableError,
)

DATA = Path(__file__).parents[1] / "data" / "helpers"
JOB = "483f1c83-682b-489a-81c2-de990b9a1407"


def real(name: str) -> str:
    return (DATA / name).read_text(encoding="utf-8")


def end_of(name: str) -> HelperEnd:
    """Return a recorded end: its exit code, and what it printed on both outputs."""
    head, _, rest = real(name).partition("--- stdout\n")
    stdout, _, stderr = rest.partition("--- stderr\n")
    return HelperEnd(int(head.split()[1]), stdout, stderr, 0.1)


def test_the_real_inspectors_json_is_read() -> None:
    said = inspector_said(real("inspector-api.json"))
    assert said.job_id == "616a2aad-3adb-457e-8e7d-8e8dd26eaae7"
    assert len(said.result.inspection.metrics.partitions) == 4
    assert said.result.inspection.replication.last_late_window_hours == 48


def test_the_real_backfills_lines_are_read_with_the_result() -> None:
    said = backfill_said(real("backfill-wait.txt"))
    assert (said.jobs, said.status, said.completed, said.total) == ((JOB,), "completed", 4, 4)
    assert said.result is not None
    assert (said.result.days, said.result.rows_exported) == (3, 6_495)


def test_a_backfill_that_does_not_wait_tells_its_job_and_no_total() -> None:
    said = backfill_said(end_of("backfill-no-wait.txt").stdout)
    assert (said.status, said.completed, said.total, said.result) == ("pending", 0, None, None)


def test_a_job_is_known_as_soon_as_its_line_is_whole() -> None:
    line = real("backfill-wait.txt").splitlines(keepends=True)[0]
    assert job_created(line) == JOB
    assert [job_created(line[:length]) for length in range(len(line))] == [None] * len(line)


def test_the_real_parity_line_is_read_with_and_without_a_mismatch() -> None:
    said = parity_said(real("parity-api.txt"))
    assert (said.report, said.mismatches) == ("reports/rep.md", 0)
    said = parity_said(end_of("parity-mismatch-no-flag.txt").stdout)
    assert (said.mismatches, said.job_id) == (1, "f9eb7b70-1693-463c-bed7-aa27f45b494c")


def test_the_counts_of_the_real_report_are_read() -> None:
    counts = counts_in(real("parity-report.md"))
    assert len(counts) == 5
    assert counts[1] == ReportedCount("03723a5e5b24f60f213c0975", 7, 7, True)
    assert counts_in("| `a` | 1 | 0 | ❌ |") == [ReportedCount("a", 1, 0, False)]


@pytest.mark.parametrize("name", ["parity-mismatch-flag.txt", "parity-beyond-watermark.txt"])
def test_a_parity_job_that_failed_is_named(name: str) -> None:
    job_id = failed_job(end_of(name).stderr)
    assert job_id is not None
    assert job_id in real(name)
    assert failed_job("Error: something else") is None


@pytest.mark.parametrize(
    ("end", "kind", "says"),
    [
        (end_of("inspector-bad-token.txt"), AccessError, "401 Unauthorized"),
        (end_of("backfill-unreachable.txt"), UnreachableError, "failed to create backfill job"),
        (
            HelperEnd(1, "", "Error: HTTP status client error (429 Too Many Requests) for url (x)", 1.0),
            BudgetError,
            "429",
        ),
        (
            HelperEnd(2, "", "error: unexpected argument '--days' found\n\nUsage: x", 1.0),
            NotCheckedError,
            "'--days'",
        ),
        (HelperEnd(101, "", "", 1.0), NotCheckedError, "it printed nothing"),
        (HelperEnd(None, "", "", 12.0), DeadlineError, "did not end within 12 s"),
    ],
    ids=["bad token", "unreachable", "budget", "option", "silent", "hangs"],
)
def test_why_a_helper_failed_is_told_and_never_speaks_against_the_release(
    end: HelperEnd, kind: type[SuiteError], says: str
) -> None:
    error = why_it_failed("tsse_lake_x", end)
    assert type(error) is kind
    assert says in error.message
    assert error.advice
    assert not isinstance(error, PromiseBrokenError)


@pytest.mark.parametrize(
    "text", ["", "ok", "[]", "{}", '{"job_id": 7}', json.dumps({"job_id": JOB, "result": {}})]
)
def test_what_is_no_inspection_is_not_checked_and_told(text: str) -> None:
    with pytest.raises(NotCheckedError, match=r"^What tsse_lake_inspector says cannot be read: .+\.$"):
        inspector_said(text)


def test_a_result_that_is_no_backfills_is_not_checked() -> None:
    with pytest.raises(NotCheckedError, match="its result is no backfill's"):
        backfill_said(f"Backfill job created: {JOB}\nstatus=completed progress=x (1/1)\nresult: {{}}\n")


@given(st.text())
def test_whatever_a_helper_prints_is_understood_or_not_checked(text: str) -> None:
    for read in (inspector_said, backfill_said, parity_said):
        with pytest.raises(NotCheckedError) as caught:
            read(text)
        assert "\n" not in caught.value.message
    counts_in(text)
    job_created(text)
    failed_job(text)


@given(st.text(), st.text(), st.integers(0, 20))
def test_the_last_lines_are_few_and_short(out: str, err: str, lines: int) -> None:
    tail = tail_of(HelperEnd(0, out, err, 0.0), lines)
    assert len(tail) <= max(lines, 1) or lines == 0
    assert all(len(line) <= 400 for line in tail)
