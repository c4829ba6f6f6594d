"""The runbook's helpers, run as an operator runs them."""

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from fixtures.stacks.embedded import RunningStack
from tests.integration.cli.conftest import WHOLE_BACKFILL, Helper, RunHelper
from tests.support.given import given, told
from tsse_validation.domain.contract import Inspection
from tsse_validation.lake.shards import shard_of


def test_health_says_how_each_service_is(helper: RunHelper, dsn: dict[str, str]) -> None:
    done = helper("health", **dsn)
    assert done.code == 0
    assert [line.split(":")[0] for line in done.out.splitlines()] == ["core-server", "qdrant", "postgres"]
    assert "PostgreSQL" in done.out
    assert "without TimescaleDB" in done.out


def test_health_of_a_dead_service_is_incomplete_and_says_so(helper: RunHelper) -> None:
    done = helper("health", "--qdrant-url", "http://127.0.0.1:9", "--json")
    assert done.code == 6
    answers = json.loads(done.out)
    assert answers["core-server"].startswith("ok")
    assert "refuses the connection" in answers["qdrant"]


def test_backfill_follows_the_job_and_shows_its_result(backfilled: Helper) -> None:
    assert backfilled.code == 0
    lines = backfilled.out.splitlines()
    assert lines[0].startswith("job=")
    assert "status=completed progress=91/91" in backfilled.out
    assert '"rows_exported"' in backfilled.out
    assert lines[-1].endswith("dates")


def test_inspect_shows_the_same_lake_by_both_ways(after_backfill: RunHelper, lake_options: list[str]) -> None:
    by_api = Inspection.model_validate_json(after_backfill("inspect", "--json").out)
    by_files = Inspection.model_validate_json(
        after_backfill("inspect", "--mode", "direct", *lake_options, "--json").out
    )
    assert by_api.metrics.partitions == by_files.metrics.partitions
    assert len(by_api.metrics.partitions) >= 90


def test_inspect_prints_the_watermark_that_the_runbook_looks_for(after_backfill: RunHelper) -> None:
    out = after_backfill("inspect").out
    assert "datasets.metrics/v1.computed_through_ts: 20" in out
    assert "replication.computed_through_ts: 20" in out


def test_parity_by_the_job_writes_the_report_that_the_runbook_names(
    after_backfill: RunHelper, tmp_path: Path
) -> None:
    report = tmp_path / "tsse-lake-parity.md"
    done = after_backfill("parity", "--sample", "8", "--report", str(report), "--fail-on-mismatch")
    assert done.code == 0
    assert report.read_text(encoding="utf-8") == done.out
    assert "| Sensor | Postgres count | Lake count | Match |" in done.out
    # the job marks a sensor whose copies wait for compaction, too: that is explained
    marks = done.out.count("✅") + done.out.count("❌")
    assert marks == len(done.out.split("| :---: |\n")[1].split("\n\n")[0].splitlines())


def test_parity_finds_by_both_ways_a_row_that_was_deleted_in_postgres(
    after_backfill: RunHelper, parity: RunHelper, dsn: dict[str, str], stack: RunningStack
) -> None:
    columns = "sensor_id, ts, value, quality, inserted_at"
    delete = f"DELETE FROM metrics WHERE (sensor_id, ts) = (%s, %s) RETURNING {columns}"
    with psycopg.connect(dsn["TSSE_DATABASE_URL"], autocommit=True) as database:
        gone = given(database.execute(delete, row_without_copies(stack, database)).fetchone())
        about = (f"--start={gone[1] - timedelta(hours=1):%FT%TZ}", f"--end={gone[1] + timedelta(hours=1):%FT%TZ}")
        try:
            by_us = parity("--json", *about)
            by_job = after_backfill("parity", "--sensor-ids", gone[0], *about)
        finally:
            database.execute(f"INSERT INTO metrics ({columns}) VALUES (%s, %s, %s, %s, %s)", gone)
    assert (by_us.code, by_job.code) == (1, 1)
    differing = [row for row in json.loads(by_us.out)["rows"] if not row["matches"]]
    assert [row["sensor_id"] for row in differing] == [gone[0]]
    assert "Re-run the backfill with replace_existing=true" in by_us.err
    assert "❌" in by_job.out


def row_without_copies(stack: RunningStack, database: psycopg.Connection[Any]) -> tuple[str, datetime]:
    """Return a row of a shard-day in one file: more rows there cannot be copies that wait."""
    lake = given(stack.stack.lake)
    rows = database.execute(
        "SELECT sensor_id, ts FROM metrics"
        " WHERE ts BETWEEN now() - interval '9 days' AND now() - interval '3 days' ORDER BY ts DESC"
    )
    for sensor_id, ts in rows:
        shard = f"date={ts.astimezone(UTC).date()}/shard={shard_of(sensor_id, lake.shards)}"
        if len(list((lake.hot / "metrics/v1" / shard).glob("*.parquet"))) == 1:
            return sensor_id, ts
    raise AssertionError("each shard-day has several files")


@contextmanager
def changed_value(dsn: dict[str, str]) -> Iterator[str]:
    """Change the last value of a sensor, yield its id, and put the very same value back."""
    last = "SELECT sensor_id, ts, value FROM metrics WHERE inserted_at < now() - interval '5 min'"
    with psycopg.connect(dsn["TSSE_DATABASE_URL"], autocommit=True) as database:
        sensor_id, ts, value = given(database.execute(f"{last} ORDER BY ts DESC LIMIT 1").fetchone())
        change = "UPDATE metrics SET value = %s WHERE sensor_id = %s AND ts = %s"
        database.execute(change, (-4321.5, sensor_id, ts))
        try:
            yield sensor_id
        finally:
            database.execute(change, (value, sensor_id, ts))


@pytest.mark.parametrize("level", ["digest", "rows", None])
def test_parity_shows_the_row_whose_value_was_changed(
    level: str | None, parity: RunHelper, dsn: dict[str, str]
) -> None:
    chosen = ["--level", level] if level else []
    with changed_value(dsn) as sensor_id:
        done = parity(*chosen)
    assert done.code == 1
    assert "changed in place: 1 row of 1 sensor" in done.out
    (line,) = [line for line in done.out.splitlines() if "-4321.5" in line]
    assert sensor_id in line
    assert f"Compared by: {level or 'digest'}" in done.out
    assert parity(*chosen).code == 0


def test_parity_directly_names_the_database_and_says_what_is_not_proven_of_it(parity: RunHelper) -> None:
    (line,) = [line for line in parity().out.splitlines() if "Database:" in line]
    assert "127.0.0.1:" in line
    assert "schema public, a primary; not proven to be the controller's database" in line
    named = json.loads(parity("--json").out)["database"]
    assert (named["tables_in"], named["standby"], named["proven_to_be_the_controllers"]) == (
        "public",
        False,
        False,
    )


def test_parity_by_count_does_not_see_a_changed_value_and_says_what_it_compared(
    parity: RunHelper, dsn: dict[str, str]
) -> None:
    with changed_value(dsn):
        done = parity("--level", "count", "--json")
    document = json.loads(done.out)
    assert (done.code, document["level"], document["findings"]) == (0, "count", [])


def test_parity_names_a_lake_file_that_cannot_be_read(parity: RunHelper, stack: RunningStack) -> None:
    path = max(given(stack.stack.lake).hot.glob("metrics/v1/date=*/shard=*/backfill-*.parquet"))
    content = path.read_bytes()
    path.write_bytes(content[:-50])
    try:
        done = parity("--json")
    finally:
        path.write_bytes(content)
    assert done.code == 1
    assert [finding["diagnosis"] for finding in json.loads(done.out)["findings"]] == ["unreadable file"]
    assert path.name in done.out


def test_parity_of_a_window_without_rows_is_no_pass(after_backfill: RunHelper) -> None:
    done = after_backfill("parity", "--sensor-ids", "nobody-has-this-id")
    assert done.code == 6
    assert "equal zeros prove nothing" in done.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("inspect --base-url ftp://controller", "--base-url (command line): must be an http:// or https://"),
        ("inspect --auth-token-file /no/such/token", ": /no/such/token is not a file"),
        ("inspect --mode direct", "--mode direct needs --hot-path"),
        ("parity --mode direct", "--mode direct needs --database-url or --config"),
        ("parity --level rows", "--level rows needs --mode direct"),
        (
            "parity --start 2026-01-01T00:00:00Z --end 2026-01-01T00:00:00Z",
            "--end must be after --start: the controller's job takes no single microsecond",
        ),
        ("parity --start yesterday", "--window-start (command line): not an RFC 3339 timestamp"),
        ("backfill --days 400", "--backfill-days (command line): Input should be less than or equal to 365"),
    ],
)
def test_a_wrong_setting_is_refused_in_one_line(helper: RunHelper, arguments: str, words: str) -> None:
    done = helper(*arguments.split())
    assert done.code == 4
    assert words in done.err
    assert len(done.err.strip().splitlines()) == 1


def test_a_dead_controller_is_one_sentence(helper: RunHelper) -> None:
    done = helper("inspect", "--base-url", "http://127.0.0.1:9")
    assert done.code == 6
    assert "refuses the connection" in done.err
    assert "Traceback" not in done.err


def test_a_wrong_token_is_one_sentence(helper: RunHelper, tmp_path: Path) -> None:
    token = tmp_path / "token.txt"
    token.write_text("not-a-token-anybody-knows\n")
    done = helper("inspect", "--auth-token-file", str(token))
    assert done.code == 6
    assert "The controller refuses the token" in done.err


def test_a_token_on_the_command_line_is_taken_with_a_warning(helper: RunHelper, stack: RunningStack) -> None:
    done = helper("inspect", "--auth-token", stack.stack.token.get_secret_value())
    assert done.code == 0
    assert "warning: the token was given on the command line" in done.err


def test_a_wrong_flag_is_wrong_usage(helper: RunHelper) -> None:
    assert helper("inspect", "--nope").code == 2


def test_backfill_does_not_start_what_takes_rows_out_of_the_lake(
    after_backfill: RunHelper, lake_options: list[str], dsn: dict[str, str]
) -> None:
    before = Inspection.model_validate_json(after_backfill("inspect", "--json").out)
    for options, variables in (([], {}), (lake_options, dsn)):
        done = after_backfill("backfill", "--days", "3", "--replace-existing", "--wait", *options, **variables)
        assert done.code == 6, done
        for words in ("No backfill was started", "before the range", "--accept-loss"):
            assert words in " ".join(done.err.split())
    after = Inspection.model_validate_json(after_backfill("inspect", "--json").out)
    assert after.replication.backfill_completed_at == before.replication.backfill_completed_at


def test_the_guard_of_a_backfill_goes_by_no_database_and_no_lake_but_the_controllers(
    after_backfill: RunHelper, stack: RunningStack, lake_options: list[str], dsn: dict[str, str], tmp_path: Path
) -> None:
    asked = ("backfill", "--days", "3", "--replace-existing", "--wait")
    copy = tmp_path / "lake"
    shutil.copytree(given(stack.stack.lake).hot, copy)
    shutil.rmtree(copy / "metrics")
    done = after_backfill(*asked, f"--hot-path={copy}", **dsn)
    assert done.code == 6, done
    for words in ("files are not looked at", "No backfill was started", "by the controller's inspection"):
        assert words in " ".join(done.err.split())
    with psycopg.connect(told(stack.stack.conninfo), autocommit=True) as connection:
        connection.execute("CREATE SCHEMA elsewhere")
        for table in ("metrics", "sensors", "analysis_jobs"):
            connection.execute(f"CREATE TABLE elsewhere.{table} (LIKE public.{table})")
    elsewhere = make_conninfo(told(stack.stack.conninfo), options="-c search_path=elsewhere")
    for options in (lake_options, []):
        done = after_backfill(*asked, *options, TSSE_DATABASE_URL=elsewhere, TSSE_SETTLE_TIMEOUT="1")
        assert done.code == 6, done
        assert "this is not the controller's database" in " ".join(done.err.split())


def test_a_dry_run_of_backfill_says_what_would_be_lost(
    after_backfill: RunHelper, lake_options: list[str], dsn: dict[str, str]
) -> None:
    done = after_backfill("backfill", "--days", "3", "--replace-existing", "--dry-run", *lake_options, **dsn)
    assert done.code == 0, done
    # near midnight the range may begin a date earlier
    assert re.search("would replace: [45] dates", done.out)
    assert "before the range" in done.out
    assert "so the backfill would not start" in done.out
    only_added = after_backfill("backfill", "--days", "3", "--dry-run")
    assert "would replace: nothing, rows are only added" in only_added.out


@pytest.fixture
def _whole_again(helper: RunHelper) -> Iterator[None]:
    """Have the lake promise all of the farm again: other modules share it."""
    yield
    restored = helper(*WHOLE_BACKFILL)
    assert restored.code == 0, restored


@pytest.mark.usefixtures("_whole_again")
def test_backfill_without_wait_names_the_job(helper: RunHelper) -> None:
    # it adds each row of a day once more, and the lake then promises that day only
    done = helper("backfill", "--days", "1", "--json")
    assert done.code == 0
    assert json.loads(done.out)["job_type"] == "lake_backfill_v1"
