"""`tsse-validate doctor`: each setting tried, against a controller, and against what is none."""

import json
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from fixtures.stacks.embedded import RunningStack
from tests.integration.cli.conftest import Helper, RunHelper
from tests.support.given import given, told
from tests.support.servers import serve

ROLE = "doctor_reader"


def outcomes(done: Helper) -> dict[tuple[str, str], str]:
    return {(one["option"], one["target"]): one["outcome"] for one in json.loads(done.out)["tried"]}


def test_all_of_a_controller_that_is_well_is_ok(
    after_backfill: RunHelper, lake_options: list[str], dsn: dict[str, str], stack: RunningStack
) -> None:
    viewer = given(stack.stack.token_file).with_name("viewer.txt")
    viewer.write_text(told(stack.stack.view_token))
    viewer.chmod(0o600)
    done = after_backfill("doctor", *lake_options, f"--view-token-file={viewer}", **dsn)
    assert done.code == 0, done
    lines = done.out.splitlines()
    assert all(line.startswith(("ok: ", "not known: POST budget ")) for line in lines), done.out
    for words in (
        "a core-server, which answers",
        "table public.analysis_jobs",
        "dates in the manifest; ",
        "clocks: ",
    ):
        assert words in done.out
    assert told(stack.stack.view_token) not in done.out
    assert "password" not in done.out
    assert set(outcomes(after_backfill("doctor", *lake_options, "--json", **dsn)).values()) == {"ok", "unknown"}


def test_it_spends_no_post(after_backfill: RunHelper, stack: RunningStack, dsn: dict[str, str]) -> None:
    with psycopg.connect(told(stack.stack.conninfo)) as database:
        before = database.execute("SELECT count(*) FROM analysis_jobs").fetchone()
        after_backfill("doctor", **dsn)
        assert database.execute("SELECT count(*) FROM analysis_jobs").fetchone() == before


@pytest.fixture
def reader(stack: RunningStack) -> Iterator[str]:
    """Make a role that may read `metrics`, not `sensors`, and of `analysis_jobs` what a policy lets it."""
    with psycopg.connect(told(stack.stack.conninfo), autocommit=True) as database:
        database.execute(f"CREATE ROLE {ROLE} LOGIN PASSWORD 'doctor-pw-1'")
        database.execute(f"GRANT SELECT ON metrics, analysis_jobs TO {ROLE}")
        database.execute("ALTER TABLE analysis_jobs ENABLE ROW LEVEL SECURITY")
        yield make_conninfo(told(stack.stack.conninfo), user=ROLE, password="doctor-pw-1")
        database.execute("ALTER TABLE analysis_jobs DISABLE ROW LEVEL SECURITY")
        database.execute(f"DROP OWNED BY {ROLE}")
        database.execute(f"DROP ROLE {ROLE}")


def test_rights_are_told_by_table(helper: RunHelper, reader: str) -> None:
    done = helper("doctor", "--json", TSSE_DATABASE_URL=reader)
    assert done.code == 6
    assert "doctor-pw-1" not in done.out + done.err
    found = outcomes(done)
    tables = {table: found["--database-url", f"table public.{table}"] for table in ("metrics", "sensors")}
    assert tables == {"metrics": "ok", "sensors": "not_ok"}
    assert found["--database-url", "table public.analysis_jobs"] == "not_ok"
    assert "GRANT SELECT ON public.sensors" in done.out
    assert "row-level security policy" in done.out


def test_a_server_that_never_answers_is_told_and_everything_else_is_tried(
    helper: RunHelper, tmp_path: Path
) -> None:
    with serve(None) as silent:
        port = silent.url.rpartition(":")[2]
        done = helper(
            "doctor",
            *("--base-url", silent.url, "--qdrant-url", silent.url, "--report-dir", str(tmp_path)),
            TSSE_DATABASE_URL=f"host=127.0.0.1 port={port} user=u dbname=d",
        )
    assert done.code == 6
    assert done.out.count("did not answer within 3 s") == 2
    assert "connection timeout expired" in done.out or "timeout" in done.out
    assert f"ok: --report-dir {tmp_path}" in done.out


def test_a_wrong_setting_is_told_beside_all_others(helper: RunHelper, tmp_path: Path) -> None:
    token = tmp_path / "token.txt"
    token.write_text("Bearer abc\n")
    done = helper("doctor", "--auth-token-file", str(token), "--ca-file", str(tmp_path / "none"))
    assert done.code == 4
    assert f"WRONG: --auth-token-file {token} (command line): " in done.out
    assert "WRONG: --ca-file (command line): " in done.out
    assert "a core-server, which answers" in done.out
    assert "abc" not in done.out


def test_a_token_that_nobody_knows_is_refused(helper: RunHelper, tmp_path: Path) -> None:
    token = tmp_path / "token.txt"
    token.write_text("a-token-nobody-knows\n")
    token.chmod(0o644)
    done = helper("doctor", "--auth-token-file", str(token))
    assert done.code == 6
    assert "The controller refuses the token" in done.out
    assert f"others can read it (mode 0644). Keep it to yourself: chmod 600 {token}" in done.out
