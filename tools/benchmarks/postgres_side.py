"""One side of our proof alone: Postgres digests all due rows, and sends a line for each sensor and day."""

from pydantic import SecretStr

from tools.benchmarks.case import Answer, Case
from tools.benchmarks.ours import prepare, scope_of
from tsse_validation.clients.postgres import PostgresClient
from tsse_validation.domain.digest import rows_digested
from tsse_validation.domain.stack import LakePaths
from tsse_validation.lake.reader import LakeReader
from tsse_validation.parity.postgres_side import PostgresSide
from tsse_validation.settings.definitions import Settings

__all__ = ["digested", "prepare", "run"]


def run(case: Case) -> Answer:
    """Digest the window by one process of the server."""
    return digested(case, Settings())


def digested(case: Case, settings: Settings) -> Answer:
    """Digest the window."""
    scope = scope_of(case, LakeReader(LakePaths(case.hot, None, case.shards)))
    side = PostgresSide(PostgresClient.from_settings(SecretStr(case.conninfo), settings))
    return Answer(sum(rows_digested(days.digests) for days in side.slices(scope, hashed=True)), differs=False)
