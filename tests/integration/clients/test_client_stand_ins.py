"""The stand-ins of the helpers print what the real ones print, byte by byte where that is stable."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.clients.conftest import Serve
from tests.integration.clients.hostile import Reply, document, text
from tests.unit.test_helper_output import DATA, end_of, real
from tsse_validation.clients.helper_calls import BACKFILL, INSPECTOR, PARITY_CHECK

ROOT = Path(__file__).parents[3]
HELP = {INSPECTOR: "inspector-help.txt", BACKFILL: "backfill-help.txt", PARITY_CHECK: "parity-help.txt"}
REAL_URL = "http://127.0.0.1:8000"


def ran(helper: str, *arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", f"fixtures.helpers.{helper}", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def job(job_id: str, status: str, message: str = "", done: int = 0, total: int | None = None) -> Reply:
    progress = {"phase": "queued", "completed": done, "total": total} | ({"message": message} if message else {})
    return document({"job": {"id": job_id, "status": status, "progress": progress}})


@pytest.mark.parametrize("helper", HELP)
def test_the_help_is_that_of_the_real_one(helper: str) -> None:
    assert ran(helper, "--help").stdout == real(HELP[helper])


def test_a_backfill_that_waits_prints_each_look_that_tells_something_and_the_result(serve: Serve) -> None:
    words = real("backfill-wait.txt")
    result = json.loads(words.partition("result: ")[2])
    job_id = words.splitlines()[0].rpartition(" ")[2]
    server = serve(
        job(job_id, "pending"),
        job(job_id, "pending"),
        job(job_id, "completed", "Backfilling 2026-11-26", 4, 4),
        document({"job_id": job_id, "result": result}),
    )
    done = ran(BACKFILL, f"--base-url={server.url}", "--wait", "--poll-seconds=0", "--show-result")
    assert (done.returncode, done.stdout, done.stderr) == (0, words, "")


def test_a_backfill_that_does_not_wait_ends_at_once(serve: Serve) -> None:
    end = end_of("backfill-no-wait.txt")
    job_id = end.stdout.splitlines()[0].rpartition(" ")[2]
    done = ran(BACKFILL, f"--base-url={serve(job(job_id, 'pending')).url}")
    assert (done.returncode, done.stdout) == (end.exit_code, end.stdout)


def test_a_controller_that_is_not_there_is_told_as_the_real_one_does() -> None:
    end = end_of("backfill-unreachable.txt")
    done = ran(BACKFILL, "--base-url=http://127.0.0.1:9")
    assert (done.returncode, done.stdout, done.stderr) == (end.exit_code, end.stdout, end.stderr)


def test_a_token_that_is_refused_is_told_as_the_real_one_does(serve: Serve) -> None:
    end = end_of("inspector-bad-token.txt")
    server = serve(text(401, "Missing or invalid token"))
    done = ran(INSPECTOR, "--mode=api", f"--api-base-url={server.url}", "--auth-token=x")
    assert done.returncode == end.exit_code
    # the server here has no words for its status
    assert done.stderr.replace(server.url, REAL_URL).replace("401 X", "401 Unauthorized") == end.stderr


def test_an_inspection_is_printed_as_the_real_one_prints_it(serve: Serve) -> None:
    words = real("inspector-api.json")
    answer = json.loads(words)
    server = serve(job(answer["job_id"], "completed"), document(answer))
    done = ran(INSPECTOR, "--mode=api", f"--api-base-url={server.url}")
    assert (done.returncode, done.stdout) == (0, words)


@pytest.mark.parametrize("name", ["parity-api.txt", "parity-mismatch-no-flag.txt"])
def test_a_parity_check_writes_the_jobs_report_and_says_how_many_differ(
    name: str, serve: Serve, tmp_path: Path
) -> None:
    line = next(line for line in real(name).splitlines() if line.startswith(PARITY_CHECK))
    report, _, found = line.partition(" wrote report to ")[2].partition(" (mismatches=")
    mismatches, _, job_id = found.rstrip(")").partition(", job_id=")
    (tmp_path / "reports").mkdir()
    result = {"mismatches": int(mismatches), "report_markdown": real("parity-report.md")}
    server = serve(job(job_id, "completed"), document({"job_id": job_id, "result": result}))
    done = ran(PARITY_CHECK, *_window(server.url), f"--report={report}", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, f"{line}\n")
    assert (tmp_path / report).read_bytes() == (DATA / "parity-report.md").read_bytes()


@pytest.mark.parametrize("name", ["parity-mismatch-flag.txt", "parity-beyond-watermark.txt"])
def test_a_parity_job_that_fails_is_told_with_its_id(name: str, serve: Serve) -> None:
    end = end_of(name)
    job_id = end.stderr.partition("job_id=")[2].partition(")")[0]
    done = ran(PARITY_CHECK, *_window(serve(job(job_id, "failed")).url), "--fail-on-mismatch")
    assert (done.returncode, done.stdout, done.stderr) == (end.exit_code, end.stdout, end.stderr)


def _window(url: str) -> list[str]:
    times = ["--start=2026-11-25T00:00:00Z", "--end=2026-11-25T01:00:00Z"]
    return ["--mode=api", f"--api-base-url={url}", *times]
