"""Tries failure scenarios on the reference controller and on its mutants, on one arena after the other."""

import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from fixtures.arena.embedded import embedded_arena
from fixtures.arena.levers import ProcessLever
from fixtures.processes import ManagedProcess, http_ready
from fixtures.stacks.embedded import EmbeddedOptions
from tsse_validation.clients.postgres import PostgresClient
from tsse_validation.failures.running import ScenarioRunner
from tsse_validation.failures.table import SCENARIOS
from tsse_validation.runlog.failure_records import FailureTried
from tsse_validation.settings.definitions import Settings

HONEST = "fixtures.controller"
MUTANTS = "tests.system.failures.mutants"
RECOVERY_SECONDS = 60.0
"""How long replication may take to come back: a mutant that does not is not waited for as long as a controller."""


@dataclass
class Swapping:
    """The lever of a controller that is another module from its next start on; `ready_timeout` is in seconds."""

    process: ManagedProcess
    url: str
    ready_timeout: float
    module: tuple[str, ...] = (HONEST,)
    _lever: ProcessLever = field(init=False)

    def __post_init__(self) -> None:
        self._lever = ProcessLever(self.process, self.url, self.ready_timeout)
        self.kill, self.stop = self._lever.kill, self._lever.stop
        self.pause, self.resume = self._lever.pause, self._lever.resume

    @property
    def running(self) -> bool:
        return self._lever.running

    def start(self, environment: Mapping[str, str]) -> None:
        address = urlsplit(self.url)
        where = ["--host", str(address.hostname), "--port", str(address.port)]
        self.process.start([sys.executable, "-m", *self.module, *where], environment)
        self.process.wait_ready(lambda: http_ready(f"{self.url}/healthz"), self.ready_timeout)


@dataclass
class Trials:
    """An arena whose controller can be any of the mutants."""

    runner: ScenarioRunner
    lever: Swapping

    def tried(self, mutant: str | None, scenarios: Iterable[str]) -> Iterator[FailureTried]:
        """Try scenarios on a mutant, or on the honest controller."""
        self.lever.module = (MUTANTS, mutant) if mutant else (HONEST,)
        for key in scenarios:
            yield self.runner.run(SCENARIOS[key])


@contextmanager
def trials(seed: int) -> Iterator[Trials]:
    """Lend an arena of the embedded stack, filled by the honest controller."""
    levers: list[Swapping] = []

    def lever(process: ManagedProcess, url: str, ready_timeout: float) -> Swapping:
        levers.append(Swapping(process, url, ready_timeout))
        return levers[-1]

    with embedded_arena(EmbeddedOptions(), lambda _text: None, lever=lever) as arena:
        postgres = PostgresClient.from_settings(arena.conninfo, Settings())
        yield Trials(ScenarioRunner(arena, postgres, seed, recovery_seconds=RECOVERY_SECONDS), levers[0])
