"""Runs one failure scenario: make whole, strike, recover, prove, and say in a record how it ended."""

import time
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass
from datetime import datetime
from typing import Literal

from tsse_validation.clients.postgres import PostgresClient
from tsse_validation.domain.contract import BACKLOG_GATE_SECONDS
from tsse_validation.domain.coverage import Coverage
from tsse_validation.domain.errors import (
    DeadlineError,
    NotAllowedError,
    NotCheckedError,
    PromiseBrokenError,
    StackError,
    SuiteError,
)
from tsse_validation.domain.phrasing import count_of, days_in_words
from tsse_validation.domain.polling import wait_until
from tsse_validation.failures.aftermath import Proven, prove
from tsse_validation.failures.arena import Arena
from tsse_validation.failures.arena_files import FileSeen, leftovers, touched_files
from tsse_validation.failures.scenario import LACKING, Chance, MissedError, Scenario, Struck
from tsse_validation.lake.reader import LakeReader
from tsse_validation.runlog.failure_records import FailureTried

MOST_TOUCHED = 20
"""Touched files that a record names; what is more is counted."""


@dataclass
class ScenarioRunner:
    """Tries scenarios on one arena. `recovery_seconds` is how long replication may take to pass a point."""

    arena: Arena
    postgres: PostgresClient
    seed: int
    _: KW_ONLY
    recovery_seconds: float = BACKLOG_GATE_SECONDS
    clock: Callable[[], float] = time.monotonic
    prove: Callable[..., Proven] = prove

    def __post_init__(self) -> None:
        """Raise NotAllowedError for a stack that is not this run's own: nobody else's is ever struck."""
        if not self.arena.stack.owned:
            msg = f"The stack at {self.arena.stack.base_url} is not this run's own: no failure is tried on it."
            raise NotAllowedError(msg, "Leave --base-url out: a run with -m failures starts a stack to break.")

    def run(self, scenario: Scenario) -> FailureTried:
        """Try a scenario until its strike has met something, and say how that ended; raises no SuiteError."""
        if missing := sorted(scenario.needs - self.arena.abilities):
            return _record(scenario, self.seed, "not_tried", message="; ".join(LACKING[one] for one in missing))
        missed: object = ""
        for attempt in range(scenario.tries):
            try:
                return self._try(scenario, Chance.of(self.seed, scenario.key, attempt))
            except MissedError as error:
                missed = error
            except SuiteError as error:
                return _record(scenario, self.seed, "not_tried", message=f"It could not be set up: {error}")
        why = f"The strike met nothing, {count_of(scenario.tries, 'time')} over: {missed}"
        return _record(scenario, self.seed, "not_tried", message=why)

    def _try(self, scenario: Scenario, chance: Chance) -> FailureTried:
        """Make whole, strike, and judge; raises SuiteError where it did not come to a strike."""
        self.arena.restore()
        scenario.prepare(self.arena)
        self._wait_past(self.arena.newest())
        before = self.prove(self.postgres, self.arena.paths)
        if not before.whole or not before.rows:
            msg = f"The lake was not whole before the strike: {before.told or 'no row was due'}."
            raise NotCheckedError(msg)
        files = self.arena.files()
        struck = scenario.strike(self.arena, chance)
        aftermath = _Aftermath(self, scenario, struck, before.coverage, files)
        try:
            return aftermath.judge()
        except PromiseBrokenError as error:
            return _record(scenario, self.seed, "lost", struck, message=str(error))
        except SuiteError as error:
            return _record(
                scenario, self.seed, "not_tried", struck, message=f"What came of it could not be proven: {error}"
            )

    def come_back(self, scenario: Scenario, struck: Struck) -> None:
        """Start what is down, and wait until replication has passed all that was inserted, and the strike.

        Raises:
            PromiseBrokenError: the stack did not come back.
        """
        self.arena.start_postgres()
        scenario.recover(self.arena, struck)
        try:
            self.arena.start()
        except StackError as error:
            if self.arena.running:
                raise  # it may be a slow machine: that proves nothing
            msg = f"The controller did not start again: {error}"
            raise PromiseBrokenError(msg) from error
        self._hold_passed(max(self.arena.newest(), struck.at))

    def _hold_passed(self, point: datetime) -> None:
        try:
            self._wait_past(point)
        except DeadlineError as error:
            raise PromiseBrokenError(error.message, error.advice) from error

    def _wait_past(self, point: datetime) -> None:
        lake = LakeReader(self.arena.paths)

        def passed() -> bool:
            try:
                watermark = lake.replication().computed_through_ts
            except SuiteError:
                return False  # the next pass may write anew what is torn or absent
            return watermark is not None and watermark >= point

        if not wait_until(passed, seconds=self.recovery_seconds, every=0.2):
            msg = f"Replication had not passed {point} after {self.recovery_seconds:.0f} s."
            raise DeadlineError(msg, "Look at the controller's log: incremental sync is to stay within 5 minutes.")


@dataclass(frozen=True)
class _Aftermath:
    """What comes after a strike."""

    runner: ScenarioRunner
    scenario: Scenario
    struck: Struck
    earlier: Coverage
    files: Mapping[str, FileSeen]

    def judge(self) -> FailureTried:
        """Recover, prove, and where the runbook tells so, repair and prove again."""
        arena, began = self.runner.arena, self.runner.clock()
        self.runner.come_back(self.scenario, self.struck)
        bare = self._prove()
        last, repaired_by = bare, ""
        if self.scenario.repair is not None and bare.days <= self.struck.empties:
            self.scenario.repair(arena, self.struck)
            self.runner.come_back(self.scenario, self.struck)
            last, repaired_by = self._prove(), self.scenario.repaired_by
        seconds = self.runner.clock() - began
        after = arena.files()
        touched = touched_files(self.files, after, allowed=self.struck.touches, proven=last.compared)
        altered = arena.changed_rows()
        whole = last.whole and not touched and not altered
        return _record(
            self.scenario,
            self.runner.seed,
            "recovered" if whole else "lost",
            self.struck,
            recovered_seconds=round(seconds, 3) if whole else None,
            rows=last.rows,
            differing=last.differing,
            diagnoses=last.diagnoses,
            before_repair=bare.diagnoses if repaired_by else (),
            repaired_by=repaired_by,
            touched=_shortened(touched),
            message=" ".join(_sentences(self.struck, last, altered, [*leftovers(after)])),
        )

    def _prove(self) -> Proven:
        return self.runner.prove(self.runner.postgres, self.runner.arena.paths, self.earlier)


def _sentences(struck: Struck, last: Proven, altered: int, unfinished: list[str]) -> list[str]:
    sentences = [struck.by_design] if struck.by_design else []
    if last.days:
        days = sorted(last.days)
        sentences.append(f"{count_of(last.differing, 'row')} not as in Postgres, on {days_in_words(days)}.")
    if altered:
        sentences.append(f"{count_of(altered, 'row')} of Postgres gone or altered.")
    if unfinished:
        sentences.append(f"{count_of(len(unfinished), 'file')} in the making left behind, as {unfinished[0]}.")
    return sentences


def _shortened(touched: list[str]) -> tuple[str, ...]:
    more = len(touched) - MOST_TOUCHED
    return (*touched[:MOST_TOUCHED], *((f"and {more} more",) if more > 0 else ()))


def _record(
    scenario: Scenario,
    seed: int,
    outcome: Literal["recovered", "lost", "not_tried"],
    struck: Struck | None = None,
    **more: object,
) -> FailureTried:
    known = {
        "scenario": scenario.key,
        "group": scenario.group.value,
        "title": scenario.title,
        "seed": seed,
        "outcome": outcome,
        "struck": struck.moment if struck else "",
        "struck_at": struck.at if struck else None,
    }
    return FailureTried.model_validate(known | more)
