"""One embedded arena for all tests of failure scenarios: each scenario restores it."""

from collections.abc import Callable, Iterator

import pytest

from fixtures.arena.embedded import embedded_arena
from fixtures.arena.stack_arena import StackArena
from fixtures.stacks.embedded import EmbeddedOptions
from tsse_validation.clients.postgres import PostgresClient
from tsse_validation.failures.running import ScenarioRunner
from tsse_validation.failures.table import SCENARIOS
from tsse_validation.runlog.failure_records import FailureTried
from tsse_validation.settings.definitions import Settings

Tries = Callable[..., FailureTried]


@pytest.fixture(scope="session")
def arena() -> Iterator[StackArena]:
    with embedded_arena(EmbeddedOptions(), lambda _: None) as arena:
        yield arena


@pytest.fixture
def tries(arena: StackArena) -> Tries:
    """Try a scenario of the table on the arena, by a seed."""

    def run(key: str, seed: int = 1) -> FailureTried:
        postgres = PostgresClient.from_settings(arena.conninfo, Settings())
        return ScenarioRunner(arena, postgres, seed).run(SCENARIOS[key])

    return run
