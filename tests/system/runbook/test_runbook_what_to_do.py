"""After a NO-GO a person does what its report says, command by command, and ends in a GO."""

import os
import re
import subprocess
import sys
import tarfile
from html import unescape
from pathlib import Path

import duckdb

from tests.support.command import EXIT_GO, EXIT_NO_GO, PATIENCE_SECONDS, QUICK, REPOSITORY, Directly, Run
from tests.support.controller import Controller, days_ago
from tests.support.damage import at_row, lake_file, next_double, rewrite
from tsse_validation.domain.contract import BACKFILL_GATE_DAYS
from tsse_validation.domain.outcome import Outcome
from tsse_validation.report.model.document import read_result_json


def copied_off(run: Run, section: str) -> list[str]:
    """Return the commands and queries of a section of the page, as a reader copies them."""
    page = (run.directory / "report.html").read_text(encoding="utf-8")
    box = page.partition(f'id="{section}"')[2].partition("</section>")[0]
    return [unescape(found) for found in re.findall(r"<pre[^>]*><code>(.*?)</code></pre>", box, re.DOTALL)]


def rows_that_differ(run: Run, controller: Controller) -> tuple[int, int]:
    """Paste the queries of the page where they belong; return how many rows they mark, on either side."""
    ours = theirs = 0
    for query in copied_off(run, "tsse-triage"):
        if query.startswith("SELECT"):
            ours += sum(row[0] == ">" for row in controller.sql(query))
        elif query.startswith("SET VARIABLE"):
            with duckdb.connect() as connection:
                theirs += sum(row[0] == ">" for row in connection.execute(query).fetchall())
    return ours, theirs


def in_a_shell(command: str, home: Path, controller: Controller) -> subprocess.CompletedProcess[str]:
    """Run a command as it was copied, in a shell in which nothing is set but what no report tells: a password."""
    passwords = home / "pgpass"
    passwords.write_text(f"*:*:*:*:{controller.postgres.password}\n")
    passwords.chmod(0o600)
    programs = Path(sys.executable).parent
    environment = {"PATH": f"{programs}:{os.environ['PATH']}", "PGPASSFILE": str(passwords), "HOME": str(home)}
    if "PYTHONPATH" in os.environ:
        environment["PYTHONPATH"] = os.environ["PYTHONPATH"]
    return subprocess.run(
        ["bash", "-c", command],
        cwd=home if command.startswith("mkdir") else REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


def test_who_does_what_a_no_go_says_keeps_the_evidence_repairs_and_ends_in_a_go(
    directly: Directly, controller: Controller, tmp_path: Path
) -> None:
    controller.backfill(BACKFILL_GATE_DAYS)
    sensor = controller.sensor()
    damaged = lake_file(controller, sensor, days_ago(3))
    rewrite(damaged, at_row(sensor, "value", next_double))
    lost = lake_file(controller, sensor, days_ago(5))
    lost.unlink()
    as_found = damaged.read_bytes()

    no_go = directly(*QUICK, "--skip-backfill")
    assert (no_go.code, no_go.verdict.outcome) == (EXIT_NO_GO, Outcome.NO_GO), no_go
    first = no_go.directory
    keep, repair, prove = copied_off(no_go, "tsse-what-to-do")
    ours, theirs = rows_that_differ(no_go, controller)
    assert (ours > 1, theirs) == (True, 1), "the changed row on both sides, the lost ones on one"

    kept = in_a_shell(keep, tmp_path, controller)
    assert kept.returncode == 0, kept.stderr
    (evidence,) = tmp_path.glob("tsse-evidence-*")
    assert (evidence / "run" / "run.jsonl").read_bytes() == (first / "run.jsonl").read_bytes()
    with tarfile.open(evidence / "lake.tar") as tar:
        stream = tar.extractfile(str(damaged).removeprefix("/"))
        assert stream is not None
        assert stream.read() == as_found

    repaired = in_a_shell(repair, tmp_path, controller)
    assert repaired.returncode == 0, f"{repaired.stdout}{repaired.stderr}"

    proven = in_a_shell(prove, tmp_path, controller)
    assert proven.returncode == EXIT_GO, proven.stdout
    (again,) = (path for path in no_go.report_dir.iterdir() if path.is_dir() and path != first)
    verdict = read_result_json(again / "result.json").verdict
    assert verdict.label == "GO", "by the proof that was asked for, and no lower grade"
