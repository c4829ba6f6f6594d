"""What stands for a pooler: it passes all on, and remembers what a client asks for when it connects."""

import os
import socket
import socketserver
import struct
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from fixtures.postgres_binaries import unprivileged_account
from fixtures.processes import free_port
from tests.support.servers import serving
from tsse_validation.domain.polling import wait_until


@dataclass
class Recorder:
    """The port to connect to, and the startup parameters of each session."""

    port: int = 0
    started: list[dict[str, str]] = field(default_factory=list)


class _Handler(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        server = self.server
        assert isinstance(server, _Server)
        client = self.request
        length = client.recv(4, socket.MSG_WAITALL)
        body = client.recv(struct.unpack("!I", length)[0] - 4, socket.MSG_WAITALL)
        names = body[4:].rstrip(b"\0").split(b"\0")
        server.recorder.started.append(
            {name.decode(): value.decode() for name, value in zip(names[::2], names[1::2], strict=True)}
        )
        with socket.create_connection(server.upstream) as upstream:
            upstream.sendall(length + body)
            back = threading.Thread(target=_pump, args=(upstream, client), daemon=True)
            back.start()
            _pump(client, upstream)
            back.join()


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    upstream: tuple[str, int]
    recorder: Recorder


def _pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while block := source.recv(65_536):
            target.sendall(block)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


@contextmanager
def startup_recorder(host: str, port: int) -> Iterator[Recorder]:
    """Stand before a Postgres, for sessions without encryption."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.upstream, server.recorder = (host, port), Recorder()
    with serving(server) as own:
        server.recorder.port = own
        yield server.recorder


@contextmanager
def pgbouncer(conninfo: str, mode: str) -> Iterator[str]:
    """Run a PgBouncer before a database, for the role that the DSN names; lend its own DSN."""
    given = conninfo_to_dict(conninfo)
    account = unprivileged_account()
    with tempfile.TemporaryDirectory(prefix="tsse-pooler-") as name:
        directory, port = Path(name), free_port()
        settings = {
            "listen_addr": "127.0.0.1",
            "listen_port": port,
            "unix_socket_dir": "",
            "auth_type": "plain",
            "auth_file": directory / "users.txt",
            "pool_mode": mode,
            "default_pool_size": 2,
            "logfile": directory / "log",
        }
        (directory / "users.txt").write_text(f'"{given["user"]}" "{given["password"]}"\n')
        (directory / "pooler.ini").write_text(
            f"[databases]\n* = host={given['host']} port={given['port']}\n[pgbouncer]\n"
            + "".join(f"{key} = {value}\n" for key, value in settings.items())
        )
        if account is not None:
            for path in (directory, *directory.iterdir()):
                os.chown(path, account.uid, account.gid)
        command = ["pgbouncer", "--quiet", str(directory / "pooler.ini")]
        own: dict[str, Any] = (
            {"user": account.uid, "group": account.gid, "extra_groups": []} if account is not None else {}
        )
        with subprocess.Popen(command, **own) as process:
            try:
                through = make_conninfo(conninfo, host="127.0.0.1", port=port)
                assert wait_until(lambda: _answers(through), seconds=30)
                yield through
            finally:
                process.terminate()


def _answers(conninfo: str) -> bool:
    try:
        psycopg.connect(conninfo, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True
