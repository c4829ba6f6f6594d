import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from fixtures.farm import FarmSpec
from fixtures.stacks.embedded import EmbeddedOptions, RunningStack, running_stack
from tests.support.command import PATIENCE_SECONDS, REPOSITORY, Runbook
from tests.support.controller import Controller
from tests.system.harmless.server_log import SETTINGS, Line, read_log
from tsse_validation.domain.polling import wait_until
from tsse_validation.domain.stack import STATE_DIR

OPTIONS = EmbeddedOptions(
    farm=FarmSpec(sensors=6, days=367, rows=8_000),
    replication_interval_s=3_600,
    replication_lag_s=2,
    live_ingest=False,
)
"""A controller that, after its first pass, touches its lake only when it is asked to."""
READER = "tsse_reader"


@dataclass
class Installed:
    """A controller as a stranger's: spoken to as docs/LIVE.md says, and watched from behind."""

    controller: Controller
    reader: str
    """The DSN of a role that has what docs/LIVE.md grants, and nothing else."""

    @property
    def environment(self) -> dict[str, str]:
        """The reader's DSN, where no process list shows it."""
        return {"TSSE_DATABASE_URL": self.reader}

    @property
    def log(self) -> Path:
        """The log of its PostgreSQL."""
        return self.controller.postgres.log_path

    def log_size(self) -> int:
        """Return how long the log is now: where what comes next begins."""
        return self.log.stat().st_size

    def ours(self, since: int) -> list[Line]:
        """Return what the log has of the suite's sessions from a byte on, by its name and by its role."""
        lines = read_log(self.log, since)
        pids = {line.pid for line in lines if line.application == "tsse-validation" or line.user == READER}
        return [line for line in lines if line.pid in pids]


def grants() -> str:
    """Return the statements by which docs/LIVE.md makes a role for the suite."""
    blocks = re.findall(r"```sql\n(.*?)```", (REPOSITORY / "docs/LIVE.md").read_text(encoding="utf-8"), re.DOTALL)
    (block,) = [block for block in blocks if "CREATE ROLE" in block]
    return str(block)


@pytest.fixture(scope="session")
def running() -> Iterator[RunningStack]:
    with running_stack(OPTIONS, lambda _: None) as running:
        yield running


@pytest.fixture(scope="session")
def installed(running: RunningStack, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    controller = Controller(running, tmp_path_factory.mktemp("controller"))
    # its first pass writes by itself; a backfill has its turn at the lake only when that is over
    assert wait_until((controller.paths.hot / STATE_DIR / "replication.json").is_file, seconds=PATIENCE_SECONDS)
    controller.backfill(1)
    password = secrets.token_urlsafe(16)
    database = str(conninfo_to_dict(controller.conninfo)["dbname"])
    statements = grants().replace("DATABASE farm", f"DATABASE {database}")
    assert "'…'" in statements
    with psycopg.connect(controller.conninfo, autocommit=True) as connection:
        for name, value in SETTINGS.items():
            setting = sql.SQL("ALTER SYSTEM SET {} = {}").format(sql.Identifier(name), sql.Literal(value))
            connection.execute(setting)
        connection.execute("SELECT pg_reload_conf()")
        connection.execute(statements.replace("'…'", f"'{password}'").encode())
    return Installed(controller, make_conninfo(controller.conninfo, user=READER, password=password))


@pytest.fixture
def runbook(runbook: Runbook, installed: Installed) -> Runbook:
    """Run the runbook; no secret of the controller may come out."""
    runbook.secrets += [*installed.controller.secrets, str(conninfo_to_dict(installed.reader)["password"])]
    return runbook
