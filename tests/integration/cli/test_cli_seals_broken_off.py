"""`tsse-validate seal postgres`, broken off in mid-work, gone on with, and written to a pipe."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from fixtures.stacks.embedded import RunningStack
from tests.integration.cli.conftest import Helper, RunHelper
from tests.support.forked import run_forked
from tests.support.given import given, told
from tsse_validation.domain.polling import wait_until
from tsse_validation.seals.seal import NOT_DUE, Seal
from tsse_validation.seals.seal_file import read_seal, seal_of

CHILD = str(Path(__file__).with_name("held_up_child.py"))
PATIENCE = 90


@pytest.fixture(scope="module")
def words(backfilled: Helper, stack: RunningStack, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Name what is covered by a copy of the lake's state: it stands still, whatever the controller does."""
    assert backfilled.code == 0
    state = tmp_path_factory.mktemp("state") / "replication.json"
    lake = given(stack.stack.lake)
    state.write_bytes((lake.hot / "_state/replication.json").read_bytes())
    return ["seal", "postgres", f"--from-state={state}", "--hot-retention-days=3650"]


@pytest.fixture(scope="module")
def whole(
    words: list[str], helper: RunHelper, dsn: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Seal:
    path = tmp_path_factory.mktemp("whole") / "postgres.seal"
    done = helper(*words, f"--output={path}", **dsn)
    assert done.code == 0, done
    return read_seal(path)


@dataclass(frozen=True)
class BrokenOff:
    code: int
    errors: str


@pytest.fixture
def break_off(
    words: list[str], environment: Mapping[str, str], dsn: dict[str, str], stack: RunningStack, tmp_path: Path
) -> Iterator[Callable[..., BrokenOff]]:
    """Run the command up to its second slice, and send Ctrl-C while the statement waits for a lock."""
    conninfo = told(stack.stack.conninfo)

    def run(name: str, *more: str) -> BrokenOff:
        place = tmp_path / name
        place.mkdir()
        command = [sys.executable, CHILD, str(place / "gate"), *words, *more]
        env = {**environment, **dsn, "TSSE_LOCK_TIMEOUT": str(PATIENCE)}
        with (place / "errors").open("wb") as errors, psycopg.connect(conninfo) as connection:
            child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors, env=env)
            ending.callback(child.kill)
            begun = (place / "begun").exists
            assert wait_until(lambda: begun() or child.poll() is not None, seconds=PATIENCE)
            assert begun(), (place / "errors").read_text()
            connection.execute("LOCK TABLE metrics IN ACCESS EXCLUSIVE MODE")
            (place / "gate").touch()
            waiting = (
                "SELECT FROM pg_locks WHERE NOT granted AND relation = 'metrics'::regclass"
                " AND pid IN (SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'tsse-valid%')"
            )
            assert wait_until(lambda: connection.execute(waiting).fetchone() is not None, seconds=PATIENCE)
            child.send_signal(signal.SIGINT)
            code = child.wait(PATIENCE)
        return BrokenOff(code, (place / "errors").read_text())

    with ExitStack() as ending:
        yield run


def test_what_ctrl_c_leaves_of_a_seal_is_gone_on_with_and_after_a_second_one_too(
    break_off: Callable[..., BrokenOff],
    whole: Seal,
    words: list[str],
    helper: RunHelper,
    dsn: dict[str, str],
    tmp_path: Path,
) -> None:
    output, partial = tmp_path / "postgres.seal", tmp_path / "postgres.seal.partial"
    first = break_off("first", f"--output={output}")
    assert (first.code, output.exists()) == (130, False), first
    assert f"go on by --resume {partial}" in first.errors
    assert "Traceback" not in first.errors
    sealed_first = read_seal(partial)
    second = break_off("second", f"--output={output}", f"--resume={partial}")
    assert (second.code, output.exists()) == (130, False), second
    sealed_then = read_seal(partial)
    assert not sealed_then.facts.complete
    days = [set(seal.lines["day"].to_pylist()) for seal in (sealed_first, sealed_then, whole)]
    assert days[0] < days[1] < days[2]
    done = helper(*words, f"--output={output}", f"--resume={partial}", **dsn)
    assert done.code == 0, done
    assert not partial.exists()
    resumed = read_seal(output)
    assert resumed.facts.complete
    assert resumed.lines.equals(whole.lines)
    assert resumed.tables[NOT_DUE].equals(whole.tables[NOT_DUE])


def test_a_seal_goes_to_stdout_and_its_words_to_stderr(
    words: list[str], whole: Seal, environment: Mapping[str, str], dsn: dict[str, str], tmp_path: Path
) -> None:
    out, errors = tmp_path / "out", tmp_path / "errors"
    assert run_forked([*words, "--output=-"], {**environment, **dsn}, (out, errors)) == 0
    assert seal_of(out.read_bytes(), "stdout").lines.equals(whole.lines)
    assert errors.read_text().rstrip().endswith(": stdout")


def test_a_reader_that_has_gone_is_no_seal_and_no_traceback(
    words: list[str], environment: Mapping[str, str], dsn: dict[str, str]
) -> None:
    command = [sys.executable, "-m", "tsse_validation", *words, "--output=-"]
    reader, writer = os.pipe()
    os.close(reader)
    try:
        env = {**environment, **dsn}
        ended = subprocess.run(
            command, stdout=writer, stderr=subprocess.PIPE, env=env, timeout=PATIENCE, check=False, text=True
        )
    finally:
        os.close(writer)
    assert ended.returncode == 6, ended.stderr
    assert "Traceback" not in ended.stderr
    assert "sealed" not in ended.stderr


def test_without_anything_that_says_what_is_covered_nothing_is_sealed(
    helper: RunHelper, dsn: dict[str, str], tmp_path: Path
) -> None:
    done = helper("seal", "postgres", f"--output={tmp_path}/postgres.seal", TSSE_BASE_URL="", **dsn)
    assert (done.code, list(tmp_path.iterdir())) == (4, [])
    assert "Nothing says what of Postgres the lake must hold." in done.err
    for option in ("--as-of", "--from-state", "--hot-path", "--base-url"):
        assert option in done.err
