"""The benchmark's PostgreSQL server, whose data outlives a run: the rows are made once."""

import signal
from pathlib import Path

import psycopg

from fixtures.postgres import EmbeddedPostgres
from fixtures.postgres_binaries import usable_binaries


class KeptPostgres(EmbeddedPostgres):
    """An `EmbeddedPostgres` in a directory of its own, started again on the data that it left there."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, stop_grace=60.0)
        self._directory = directory
        self._kept_password = directory / "kept-password"
        self._kept = (directory / "data" / "PG_VERSION").is_file() and self._kept_password.is_file()
        if self._kept:
            self.password = self._kept_password.read_text()

    def has_database(self, name: str) -> bool:
        """Whether a database is there."""
        with psycopg.connect(self.conninfo) as connection:
            found = connection.execute("SELECT FROM pg_database WHERE datname = %s", (name,))
            return found.fetchone() is not None

    def _initialize(self) -> None:
        if self._kept:
            self._binaries = usable_binaries(self._directory)
            self._process = self._make_process("PostgreSQL", self._directory, self._binaries, signal.SIGINT)
            return
        super()._initialize()
        self._kept_password.touch(mode=0o600)
        self._kept_password.write_text(self.password)
