import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path

import pytest

from fixtures.farm import FarmSpec
from fixtures.stacks.embedded import EmbeddedOptions, RunningStack, running_stack
from tests.support.forked import run_forked
from tests.support.given import given, told


@dataclass(frozen=True)
class Helper:
    code: int
    out: str
    err: str


RunHelper = Callable[..., Helper]
WHOLE_BACKFILL = ("backfill", "--days", "90", "--replace-existing", "--wait", "--show-result")
"""Has the lake promise all of the farm."""


@pytest.fixture(scope="session")
def stack() -> Iterator[RunningStack]:
    """Run a small farm's controller, without live traffic: the numbers stand still."""
    options = EmbeddedOptions(farm=FarmSpec(sensors=8, rows=3_000), live_ingest=False, replication_lag_s=1)
    with running_stack(options, lambda _line: None) as running:
        yield running


@pytest.fixture(scope="session")
def environment(stack: RunningStack, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """Return an environment that has what `tsse-validate` needs of the stack."""
    known, place = stack.stack, tmp_path_factory.mktemp("environment")
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(("TSSE_", "CORE_"))},
        "TSSE_BASE_URL": known.base_url,
        "TSSE_QDRANT_URL": str(known.qdrant_url),
        "TSSE_AUTH_TOKEN_FILE": str(known.token_file),
        "XDG_CACHE_HOME": str(place / "cache"),
        "COLUMNS": "100",
    }


@pytest.fixture(scope="session")
def helper(
    stack: RunningStack, environment: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory
) -> RunHelper:
    """Run `tsse-validate` as a user does, in a process of its own, with what it needs in the environment."""
    known, place = stack.stack, tmp_path_factory.mktemp("helper")
    written = (place / "out", place / "err")

    def run(*arguments: str, **variables: str) -> Helper:
        code = run_forked(arguments, {**environment, **variables}, written)
        out, err = (path.read_text(encoding="utf-8") for path in written)
        assert known.token.get_secret_value() not in out + err
        return Helper(code, out, err)

    return run


@pytest.fixture(scope="session")
def backfilled(helper: RunHelper) -> Helper:
    return helper(*WHOLE_BACKFILL)


@pytest.fixture(scope="session")
def after_backfill(helper: RunHelper, backfilled: Helper) -> RunHelper:
    """Run `tsse-validate` where the lake holds the farm."""
    assert backfilled.code == 0
    return helper


@pytest.fixture(scope="session")
def lake_options(stack: RunningStack) -> list[str]:
    lake = given(stack.stack.lake)
    return [f"--hot-path={lake.hot}", f"--cold-path={lake.cold}"]


@pytest.fixture(scope="session")
def dsn(stack: RunningStack) -> dict[str, str]:
    return {"TSSE_DATABASE_URL": told(stack.stack.conninfo)}


@pytest.fixture(scope="session")
def parity(after_backfill: RunHelper, lake_options: list[str], dsn: dict[str, str]) -> RunHelper:
    """Run `tsse-validate parity` on the lake's files and Postgres."""
    return partial(after_backfill, "parity", "--mode", "direct", *lake_options, **dsn)


@contextmanager
def broken(partition: Path, keep: Path) -> Iterator[Path]:
    """Lend a date's directory, and put it back as it was."""
    shutil.copytree(partition, keep / partition.name)
    try:
        yield partition
    finally:
        shutil.rmtree(partition, ignore_errors=True)
        shutil.move(keep / partition.name, partition)


@pytest.fixture
def partition(backfilled: Helper, stack: RunningStack) -> Path:
    """Choose a whole date that lies within the covered range, with rows in several shards."""
    assert backfilled.code == 0
    dates = sorted((given(stack.stack.lake).hot / "metrics/v1").glob("date=*"))
    return next(day for day in dates[5:-5] if len(list(day.iterdir())) > 2)


def day_of(partition: Path) -> date:
    return date.fromisoformat(partition.name.removeprefix("date="))


def about(parity: RunHelper, partition: Path, *options: str) -> Helper:
    day = day_of(partition)
    return parity(f"--start={day}T00:00:00Z", f"--end={day}T23:59:59.999999Z", *options)
