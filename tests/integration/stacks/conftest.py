import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import psycopg
import pytest

from fixtures.postgres import EmbeddedPostgres
from tests.support.given import given
from tests.support.schema import with_tables

HEALTHY_SERVER = """
import http.server, os, sys

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/healthz" else 404)
        self.end_headers()

port = int(sys.argv[sys.argv.index("--port") + 1])
http.server.HTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""


def scalar(conninfo: str, query: str) -> Any:
    """Return the one value that a query finds."""
    with psycopg.connect(conninfo) as connection:
        return given(connection.execute(query.encode()).fetchone())[0]


def processes_below(directory: Path) -> list[str]:
    """Return the command lines that name a directory."""
    result = subprocess.run(["ps", "axww", "-o", "args="], capture_output=True, text=True, check=True)
    return [line for line in result.stdout.splitlines() if str(directory) in line]


@pytest.fixture
def database(postgres: EmbeddedPostgres) -> Iterator[str]:
    yield postgres.create_database("scratch")
    postgres.drop_database("scratch")


@pytest.fixture
def farm_database(database: str) -> str:
    return with_tables(database)


@pytest.fixture
def own_tmp(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Have the code under test make its directories in one of their own, which every user reaches."""
    tmp_path_factory.getbasetemp()  # pytest would put its own there, too
    with tempfile.TemporaryDirectory(prefix="tsse-test-") as name:
        path = Path(name).resolve()
        path.chmod(0o755)
        monkeypatch.setattr(tempfile, "tempdir", str(path))
        yield path


@pytest.fixture
def clean_tmp(own_tmp: Path) -> Iterator[Path]:
    """Provide `own_tmp`, and see at the test's end that neither a file nor a process is left there."""
    yield own_tmp
    assert processes_below(own_tmp) == []
    assert list(own_tmp.iterdir()) == []


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str], Path]:
    def make(source: str) -> Path:
        path = tmp_path / "fake-core-server"
        path.write_text(f"#!{sys.executable}\n{dedent(source)}")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return path

    return make


@pytest.fixture
def healthy_server() -> str:
    return HEALTHY_SERVER
