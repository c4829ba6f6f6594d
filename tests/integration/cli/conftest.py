import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from fixtures.farm import FarmSpec
from fixtures.stacks.embedded import EmbeddedOptions, RunningStack, running_stack


@dataclass(frozen=True)
class Helper:
    code: int
    out: str
    err: str


RunHelper = Callable[..., Helper]


@pytest.fixture(scope="session")
def stack() -> Iterator[RunningStack]:
    """Run a small farm's controller, without live traffic: the numbers stand still."""
    options = EmbeddedOptions(farm=FarmSpec(sensors=8, rows=3_000), live_ingest=False, replication_lag_s=1)
    with running_stack(options, lambda _line: None) as running:
        yield running


@pytest.fixture(scope="session")
def helper(stack: RunningStack, tmp_path_factory: pytest.TempPathFactory) -> RunHelper:
    """Run `tsse-validate` as a user does, in a process of its own, with what it needs in the environment."""
    known = stack.stack
    assert known.conninfo is not None
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("TSSE_", "CORE_"))},
        "TSSE_BASE_URL": known.base_url,
        "TSSE_QDRANT_URL": str(known.qdrant_url),
        "TSSE_AUTH_TOKEN_FILE": str(known.token_file),
        "XDG_CACHE_HOME": str(tmp_path_factory.mktemp("cache")),
        "COLUMNS": "100",
    }

    def run(*arguments: str, **variables: str) -> Helper:
        program = "from tsse_validation.cli import main; main()"
        done = subprocess.run(
            [sys.executable, "-c", program, *arguments],
            env=environment | variables,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert known.token.get_secret_value() not in done.stdout + done.stderr
        return Helper(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture(scope="session")
def backfilled(helper: RunHelper) -> Helper:
    return helper("backfill", "--days", "90", "--replace-existing", "--wait", "--show-result")


@pytest.fixture(scope="session")
def lake_options(stack: RunningStack) -> list[str]:
    assert stack.stack.lake is not None
    return ["--hot-path", str(stack.stack.lake.hot), "--cold-path", str(stack.stack.lake.cold)]


@pytest.fixture(scope="session")
def dsn(stack: RunningStack) -> dict[str, str]:
    assert stack.stack.conninfo is not None
    return {"TSSE_DATABASE_URL": stack.stack.conninfo.get_secret_value()}
