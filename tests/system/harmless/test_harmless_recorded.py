"""A whole run on an installed controller, recorded at its wires: nothing but what docs/LIVE.md promises."""

import psycopg
import pytest

from tests.support.command import EXIT_GO, EXIT_INCOMPLETE, QUICK, Run, Runbook, meddling
from tests.support.controller import days_ago
from tests.support.damage import lake_file
from tests.support.proxy import recording_proxy
from tests.system.harmless.conftest import READER, Installed
from tests.system.harmless.promised import (
    MOST_POSTS,
    changes,
    foreign_calls,
    foreign_statements,
    most_sessions_at_once,
    posts,
    tree,
    unlimited_sessions,
)
from tsse_validation.domain.catalogue import CHECKS
from tsse_validation.domain.outcome import Outcome
from tsse_validation.runlog.records import CheckStatus


def arguments(installed: Installed, url: str) -> list[str]:
    return ["-m", "tier_a", *installed.controller.directly(), f"--base-url={url}"]


def kinds(run: Run) -> set[str]:
    return {check.key for check in run.result.checks if check.status is CheckStatus.PASSED}


def test_a_whole_run_sends_and_asks_nothing_that_is_not_promised(runbook: Runbook, installed: Installed) -> None:
    # a lake with older dates than the run's own backfill replaces is cut by it, and the run would not start it
    installed.controller.begin_the_lake_anew()
    controller, since = installed.controller, installed.log_size()
    with (
        recording_proxy(controller.url) as core,
        recording_proxy(controller.qdrant_url) as qdrant,
    ):
        run = runbook(*arguments(installed, core.url), f"--qdrant-url={qdrant.url}", env=installed.environment)
        # what a run reads that is not whole is not proven here
        assert (run.code, run.verdict.outcome) == (EXIT_GO, Outcome.GO), run
        assert kinds(run) == set(CHECKS)

        assert foreign_calls(core.sent) == []
        assert {call.job["job_type"] for call in core.sent if call.job} == {
            "lake_inspect_v1",
            "lake_backfill_v1",
            "lake_parity_check_v1",
        }
        backfills = [call.job["params"] for call in core.sent if b"backfill" in call.sent]
        assert backfills == [{"days": 90, "replace_existing": True}]
        assert posts(core.sent) == run.posts.spent
        assert posts(core.sent) <= MOST_POSTS
        assert {(call.method, call.path) for call in qdrant.sent} == {("GET", "/healthz"), ("GET", "/")}

    lines = installed.ours(since)
    assert {line.application for line in lines if line.statement} == {"tsse-validation"}
    assert {line.user for line in lines if line.statement} == {READER}
    assert len([line for line in lines if line.statement]) > 500
    assert foreign_statements(lines) == []
    assert most_sessions_at_once(lines) == 1
    assert unlimited_sessions(lines) == []
    assert [line.text for line in lines if line.level not in {"LOG", "DETAIL"}] == []
    said = "starts there: a backfill of 90 days (--backfill-days: the runbook's default) in step 4;"
    assert said in run.output


def test_a_run_that_finds_a_fault_and_heals_it_keeps_to_the_same_promises(
    runbook: Runbook, installed: Installed
) -> None:
    controller = installed.controller
    controller.backfill(10)
    lake_file(controller, controller.sensor(), days_ago(3)).unlink()
    since = installed.log_size()
    with recording_proxy(controller.url) as core:
        given = arguments(installed, core.url)
        more = ("--skip-backfill", "--heal-check", "--backfill-days=10", "--level=rows", "--accept-loss")
        run = runbook(*given, *QUICK, *more, env=installed.environment)
        assert run.verdict.outcome is Outcome.NO_GO, run
        assert "healed by a backfill" in run.findings(flagged=False)
        assert foreign_calls(core.sent) == []
        backfills = [call.job["params"] for call in core.sent if b"backfill" in call.sent]
        assert backfills == [{"days": 10, "replace_existing": True}]
        assert posts(core.sent) <= MOST_POSTS
    lines = installed.ours(since)
    assert any("nullif" in line.statement for line in lines)
    assert foreign_statements(lines) == []
    assert most_sessions_at_once(lines) == 1
    assert unlimited_sessions(lines) == []
    assert "no backfill in step 4 (--skip-backfill), one of 10 days" in run.output


def test_the_lake_is_the_same_byte_for_byte_after_a_run_without_a_backfill(
    runbook: Runbook, installed: Installed
) -> None:
    controller = installed.controller
    controller.backfill(90)
    roots = (controller.paths.hot, controller.cold)
    before = tree(*roots)
    contents = {path: path.read_bytes() for path in before if path.is_file()}
    given = arguments(installed, controller.url)
    run = runbook(*given, *QUICK, "--skip-backfill", env=installed.environment)
    assert run.verdict.outcome is Outcome.INCOMPLETE, run
    assert not run.red
    assert run.verdict.rows_compared > 1_000
    assert changes(before, tree(*roots)) == []
    assert {path: path.read_bytes() for path in before if path.is_file()} == contents
    assert "starts there: no backfill in step 4 (--skip-backfill); and jobs that look and count" in run.output


MEDDLING = """
import os, pathlib
import httpx, psycopg

def pytest_sessionfinish(session):
    url, token = os.environ["MEDDLED"], pathlib.Path(os.environ["MEDDLED_TOKEN"]).read_text().strip()
    job = {"job_type": "noop_v1", "params": {"steps": 1}, "job_key": None, "dedupe": False}
    httpx.post(f"{url}/api/analysis/jobs", json=job, headers={"Authorization": f"Bearer {token}"})
    httpx.delete(f"{url}/api/sensors/a")
    options = {"application_name": "tsse-validation", "autocommit": True}
    with psycopg.connect(os.environ["TSSE_DATABASE_URL"], **options) as one:
        one.execute("SELECT pg_advisory_lock(1)")
        with psycopg.connect(os.environ["TSSE_DATABASE_URL"], **options) as two:
            two.execute("SET work_mem = '1GB'")
        one.execute("SELECT 1")
    planted = pathlib.Path(os.environ["MEDDLED_LAKE"]) / "planted"
    planted.touch()
    planted.unlink()
"""


def test_the_record_shows_what_is_not_promised(runbook: Runbook, installed: Installed) -> None:
    controller, since = installed.controller, installed.log_size()
    before = tree(controller.paths.hot)
    with recording_proxy(controller.url) as core:
        given = arguments(installed, core.url)
        planted = {
            "MEDDLED": core.url,
            "MEDDLED_TOKEN": str(controller.running.stack.token_file),
            "MEDDLED_LAKE": str(controller.paths.hot),
        }
        environment = meddling(runbook.base, MEDDLING) | installed.environment | planted
        run = runbook(*given, "-k", "healthz", env=environment)
        assert run.code == EXIT_INCOMPLETE, run
        noop, delete = foreign_calls(core.sent)
        assert "noop_v1" in noop
        assert delete.startswith("DELETE /api/sensors/a")
        assert posts(core.sent) == 2
    lines = installed.ours(since)
    assert foreign_statements(lines) == ["SELECT pg_advisory_lock(1)", "SET work_mem = '1GB'"]
    assert most_sessions_at_once(lines) == 2
    assert len(unlimited_sessions(lines)) == 2
    assert changes(before, tree(controller.paths.hot)) == [controller.paths.hot]


def test_without_a_right_to_see_jobs_the_run_says_so_and_goes_on(runbook: Runbook, installed: Installed) -> None:
    controller = installed.controller
    rights = "SELECT (id, job_type, status, created_at, updated_at, progress) ON analysis_jobs"
    controller.sql(f"REVOKE {rights} FROM {READER}")
    try:
        given = arguments(installed, controller.url)
        names = ("1_health", "2_token", "3_inspect", "4_backfill", "5_watermark")
        steps = [f"tests_validation/test_{name}.py" for name in names]
        old_at_once = ("--watermark-max-age=1", "--settle-timeout=2")
        one_day = ("--backfill-days=1", "--accept-loss")
        run = runbook(*given, *steps, *one_day, *old_at_once, env=installed.environment)
    finally:
        controller.sql(f"GRANT {rights} TO {READER}")
    assert run.check("backfill_job_completes").status is CheckStatus.PASSED, run
    (said,) = [note.text for note in run.result.notes if "others may have started" in note.text]
    assert "permission denied for table analysis_jobs" in said
    recent = run.check("watermark_is_recent")
    assert recent.status is CheckStatus.NOT_CHECKED
    assert "Another lake job may hold it up" in recent.message


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO sensors SELECT * FROM sensors",
        "UPDATE metrics SET value = 0",
        "DELETE FROM analysis_jobs",
        "SELECT params FROM analysis_jobs",
        "SELECT * FROM api_tokens",
        "COPY (SELECT 1) TO PROGRAM 'true'",
        "CREATE TABLE mine (x int)",
    ],
)
def test_the_role_of_the_readme_can_do_nothing_else(statement: str, installed: Installed) -> None:
    with (
        psycopg.connect(installed.reader) as connection,
        pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction)),
    ):
        connection.execute(statement)
