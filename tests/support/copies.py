"""Copies of a PostgreSQL server: a standby that follows it, and a clone that goes its own way."""

import signal
from pathlib import Path

from fixtures.postgres import EmbeddedPostgres, hand_over
from fixtures.postgres_binaries import PostgresBinaries


class CopiedPostgres(EmbeddedPostgres):
    """A copy of a running server as it is now; with `standby` it goes on following it.

    It has the origin's databases, roles, passwords and system identifier.
    """

    def __init__(self, origin: EmbeddedPostgres, *, standby: bool) -> None:
        super().__init__(contrib=origin.contrib)
        self.password = origin.password
        self._origin = origin
        self._standby = standby

    def _initdb(self, binaries: PostgresBinaries, home: Path) -> None:
        # its lines are the password's only way in that no process list shows
        pass_file = home / "pgpass"
        pass_file.touch(mode=0o600)
        pass_file.write_text(f"*:*:*:*:{self.password}\n")
        hand_over(pass_file, binaries)
        origin = f"host={self._origin.host} port={self._origin.port} user={self.user} passfile={pass_file}"
        copy = self._make_process("pg_basebackup", home, binaries, signal.SIGTERM)
        try:
            copy.start(
                [
                    *(
                        str(binaries.directory / "pg_basebackup"),
                        "--pgdata",
                        str(home / "data"),
                        "--dbname",
                        origin,
                    ),
                    *("--checkpoint=fast", "--no-sync", *(["--write-recovery-conf"] if self._standby else [])),
                ]
            )
            assert copy.wait_end(60) == 0, copy.tail()
        finally:
            copy.stop()
