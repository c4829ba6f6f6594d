"""An arena that is none, for scenarios that are run without a stack: it notes what is done to it."""

from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, cast

from pydantic import SecretStr

from tests.support.builders import WATERMARK, replication
from tsse_validation.domain.coverage import Coverage
from tsse_validation.domain.errors import StackError
from tsse_validation.domain.stack import STATE_DIR, LakePaths
from tsse_validation.failures.aftermath import Proven
from tsse_validation.failures.arena import Arena
from tsse_validation.failures.arena_files import FileSeen
from tsse_validation.failures.running import ScenarioRunner
from tsse_validation.failures.scenario import Ability, Chance, Group, Scenario, Struck
from tsse_validation.runlog.failure_records import FailureDiagnosis, FailureTried
from tsse_validation.steps.validated_stack import Stack

if TYPE_CHECKING:
    from tsse_validation.clients.postgres import PostgresClient

DAY_UNDER_WAY = date(2026, 1, 20)
COVERAGE = Coverage.promised_by(replication())
WHOLE = Proven(COVERAGE, rows=1000, compared=frozenset({DAY_UNDER_WAY}))
HOLE = Proven(
    COVERAGE,
    rows=1000,
    differing=40,
    days=frozenset({DAY_UNDER_WAY}),
    diagnoses=(FailureDiagnosis("partition missing", "40 rows of 2 sensors on 2026-01-20", 40),),
)


def a_stack(*, owned: bool = True) -> Stack:
    return Stack("embedded", "http://127.0.0.1:8000", SecretStr("token"), owned=owned)


class FakeArena:
    """Takes note of what is done, and fails where it is told to."""

    def __init__(self, directory: Path, *, owned: bool = True) -> None:
        self.stack = a_stack(owned=owned)
        self.paths = LakePaths(directory)
        self.abilities = frozenset({Ability.SIGNALS})
        self.running = True
        self.done: list[str] = []
        self.seen: list[Mapping[str, FileSeen]] = []
        self.altered = 0
        self.start_fails = False
        self.write_state()

    def write_state(self, watermark: datetime = WATERMARK) -> None:
        state = self.paths.hot / STATE_DIR / "replication.json"
        state.parent.mkdir(exist_ok=True)
        state.write_text(replication(computed_through_ts=watermark).model_dump_json())

    def restore(self) -> None:
        self.done.append("restore")

    def start(self) -> None:
        self.done.append("start")
        if self.start_fails:
            raise StackError("controller is not running.", "Look at its log.")

    def start_postgres(self) -> None:
        self.done.append("start postgres")

    def newest(self) -> datetime:
        return WATERMARK - timedelta(seconds=1)

    def files(self) -> Mapping[str, FileSeen]:
        return self.seen.pop(0) if self.seen else {}

    def changed_rows(self) -> int:
        return self.altered


def struck(_arena: Arena, _chance: Chance) -> Struck:
    return Struck("SIGKILL", WATERMARK - timedelta(minutes=1), empties=frozenset({DAY_UNDER_WAY}))


def a_scenario(**more: object) -> Scenario:
    fields: dict[str, object] = {"key": "a-key", "group": Group.CONTROLLER, "title": "It fails.", "strike": struck}
    return Scenario(**fields | more)  # type: ignore[arg-type]


def tried(arena: FakeArena, scenario: Scenario, *proofs: Proven) -> FailureTried:
    """Try a scenario; the proofs are what each look at the lake finds, the first before the strike."""
    upcoming: Iterator[Proven] = iter(proofs)
    runner = ScenarioRunner(
        cast("Arena", arena),
        cast("PostgresClient", None),
        seed=7,
        recovery_seconds=0,
        prove=lambda *_: next(upcoming),
    )
    return runner.run(scenario)


def failure(outcome: str = "recovered", **more: object) -> FailureTried:
    fields: dict[str, object] = {
        "scenario": "kill-in-backfill",
        "group": "controller",
        "title": "The controller is killed at a random moment of a backfill.",
        "seed": 7,
        "outcome": outcome,
        "struck": "SIGKILL 0.31 s after a backfill was asked for",
        "struck_at": WATERMARK,
        "recovered_seconds": 12.5 if outcome == "recovered" else None,
        "rows": 26_788,
    }
    return FailureTried.model_validate(fields | more)
