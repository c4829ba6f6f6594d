"""One run of the runbook against one entry of the catalogue, and what the old check says to the same."""

import queue
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

import httpx

from fixtures.stacks.embedded import running_stack
from tests.support.command import Run, Runbook
from tests.support.controller import BACKFILLED_DAYS, OPTIONS, Controller
from tests.system.faults import elsewhen
from tests.system.faults.model import BY_COUNTS, IN_FULL, WINDOWS, Benign, Fault
from tsse_validation.domain.contract import PARITY_JOB, TERMINAL
from tsse_validation.domain.instants import format_rfc3339
from tsse_validation.domain.outcome import Outcome
from tsse_validation.runlog.records import CheckStatus

Answer = TypeVar("Answer")
OLD_SAMPLE = 5
"""How many sensors the runbook's spot check counts."""
_OLD_PATIENCE_SECONDS = 15.0
_MARGIN = timedelta(minutes=1)


class OldCheck(StrEnum):
    """What the count of five sensors says: the spot check of the runbook, as it was done by hand."""

    SEEN = "seen"
    BLIND = "blind"
    NO_ANSWER = "no answer"


@dataclass(frozen=True)
class Trial:
    """What came of one entry: the run, and the old check over the last day and over all days of the backfill."""

    run: Run
    last_day: OldCheck
    all_days: OldCheck
    seconds: float

    @property
    def verdict(self) -> Outcome:
        """The run's verdict."""
        return self.run.verdict.outcome

    @property
    def red(self) -> frozenset[str]:
        """The checks that ended red, without the drawn windows, which meet a fault or do not."""
        return frozenset(check_id for check_id in self.run.red if not check_id.startswith(WINDOWS))

    @property
    def diagnoses(self) -> frozenset[str]:
        """What triage has flagged."""
        return frozenset(self.run.findings(flagged=True))


def wrong(fault: Fault, trial: Trial) -> list[str]:
    """Return what a run should have told of a fault and did not, or has told wrongly."""
    run = trial.run
    told = []
    if trial.verdict is not fault.verdict:
        told.append(f"the verdict is {trial.verdict} instead of {fault.verdict}")
    if missing := frozenset(fault.red) - trial.red:
        told.append(f"not red: {', '.join(sorted(missing))}")
    if surplus := trial.red - frozenset(fault.red):
        told.append(f"red for no reason: {', '.join(sorted(surplus))}")
    if trial.diagnoses != frozenset(fault.diagnosis):
        told.append(f"diagnosed as {sorted(trial.diagnoses)} instead of {sorted(fault.diagnosis)}")
    messages = {check.check_id: check.message for check in run.result.checks}
    for check_id, words in fault.says.items():
        message = messages.get(check_id, "")
        if words not in message:
            told.append(f"{check_id} does not say “{words}” but “{message}”")
    told += [f"{check.check_id} has no advice" for check in run.red.values() if not _tells(check.message)]
    if "Traceback" in run.output:
        told.append("there is a traceback")
    return told


def _tells(message: str) -> bool:
    return len(message.split()) > 3 and "\n" not in message and "unexpected" not in message


def alarm(benign: Benign, trial: Trial) -> list[str]:
    """Return what a run has said against a controller that does no wrong, and what it has not explained."""
    excused = {one.check_id for one in trial.run.verdict.not_checked if one.tolerated and benign.by_api}
    told = [f"red: {check.check_id}: {check.message}" for check in trial.run.red.values()]
    told += [f"flagged: {name}" for name in trial.diagnoses]
    told += [
        f"not proven: {check.check_id}: {check.message}"
        for check in trial.run.result.checks
        if not check.status.proven and check.status is not CheckStatus.FAILED and check.check_id not in excused
    ]
    missing = frozenset(benign.explained) - trial.run.findings(flagged=False).keys()
    told += [f"not explained: {name}" for name in sorted(missing)]
    return told if trial.verdict is Outcome.GO else [f"the verdict is {trial.verdict}", *told]


@dataclass
class Lane:
    """A controller with its services, and what starts runs against it: one trial at a time."""

    controller: Controller
    runbook: Runbook

    def try_fault(self, fault: Fault) -> Trial:
        """Plant a fault, run the runbook, and ask the old check too."""
        began = time.monotonic()
        controller = self._made_whole(*(("tests.system.faults.mutants", fault.mutant) if fault.mutant else ()))
        fault.plant(controller)
        with fault.front(controller) as url:
            arguments = [*_given(controller, fault), f"--base-url={url}", *fault.arguments]
            run = self.runbook(
                *arguments, env={**_environment(controller, fault), **elsewhen.environment(controller)}
            )
            now = elsewhen.TRIAL + timedelta(seconds=time.monotonic() - began)
            last_day = self._old_check(url, now - timedelta(days=1), now)
            all_days = self._old_check(url, now - timedelta(days=BACKFILLED_DAYS) + _MARGIN, now)
        return Trial(run, last_day, all_days, time.monotonic() - began)

    def try_benign(self, benign: Benign) -> Trial:
        """Do what is no fault, and run the runbook in full."""
        began = time.monotonic()
        controller = self._made_whole(*benign.options)
        benign.plant(controller)
        with benign.during(controller) as url:
            known = _environment(controller, benign)
            environment = {**known, **elsewhen.environment(controller), **benign.environment}
            arguments = [*_given(controller, benign), f"--base-url={url}", *IN_FULL, *benign.arguments]
            run = self.runbook(*arguments, env=environment)
        return Trial(run, OldCheck.BLIND, OldCheck.BLIND, time.monotonic() - began)

    def _made_whole(self, *program: str) -> Controller:
        self.controller.start_postgres()
        elsewhen.set_clocks(self.controller, elsewhen.TRIAL)
        self.controller.restore(*program)
        ((database,),) = self.controller.sql("SELECT current_database()")
        self.controller.sql(f"ALTER DATABASE {database} RESET ALL")
        return self.controller

    def _old_check(self, url: str, start: datetime, end: datetime) -> OldCheck:
        """Let the controller count five sensors over a window, as the runbook's step 4 does by its helper."""
        window = {"start": format_rfc3339(start), "end": format_rfc3339(end)}
        params = {**window, "sensor_ids": [], "sample": OLD_SAMPLE}
        token = self.controller.running.stack.token.get_secret_value()
        headers = {"Authorization": f"Bearer {token}"}
        jobs = "/api/analysis/jobs"
        with httpx.Client(base_url=url, headers=headers, timeout=5, trust_env=False) as client:
            try:
                job = client.post(jobs, json={"job_type": PARITY_JOB, "params": params}).json()["job"]
                deadline = time.monotonic() + _OLD_PATIENCE_SECONDS
                while job["status"] not in TERMINAL and time.monotonic() < deadline:
                    time.sleep(0.1)
                    job = client.get(f"{jobs}/{job['id']}").json()["job"]
                mismatches = client.get(f"{jobs}/{job['id']}/result").json()["result"]["mismatches"]
            except (httpx.HTTPError, ValueError, KeyError, TypeError):
                return OldCheck.NO_ANSWER
        return OldCheck.SEEN if mismatches else OldCheck.BLIND


def _given(controller: Controller, entry: Fault | Benign) -> list[str]:
    return [*controller.by_api(), *BY_COUNTS] if entry.by_api else controller.directly()


def _environment(controller: Controller, entry: Fault | Benign) -> Mapping[str, str]:
    return {} if entry.by_api else controller.environment


class Lanes:
    """So many trials at once, each in a lane of its own."""

    def __init__(self, number: int, open_lane: Callable[[int], Lane]) -> None:
        self._free: queue.SimpleQueue[Lane] = queue.SimpleQueue()
        self._open_lane = open_lane
        self._number = number
        # one at least, or work that is begun before the others are open would wait for ever where they cannot be
        self._free.put(open_lane(0))
        self._pool = ThreadPoolExecutor(max_workers=number)

    def open_others(self) -> None:
        """Open the other lanes, while what was submitted is under way in the first."""
        for place in range(1, self._number):
            self._free.put(self._open_lane(place))

    def submit(self, work: Callable[[Lane], Answer]) -> Future[Answer]:
        """Do something in the next lane that is free."""
        return self._pool.submit(self._in_a_lane, work)

    def _in_a_lane(self, work: Callable[[Lane], Answer]) -> Answer:
        lane = self._free.get()
        try:
            return work(lane)
        finally:
            self._free.put(lane)

    def close(self) -> None:
        """Wait for what is under way, and begin nothing more."""
        self._pool.shutdown(cancel_futures=True)


@contextmanager
def open_lanes(number: int, base: Path) -> Iterator[Lanes]:
    """Start a stack of a small farm, ten days of it in its lake; `Lanes.open_others` starts the others.

    The clocks of this process too are set to the same morning.
    """
    with ExitStack() as stack:
        stack.callback(elsewhen.travel(elsewhen.MORNING).stop)
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tsse-faults-"))).resolve()
        directory.chmod(0o755)

        options = replace(OPTIONS, farm=replace(OPTIONS.farm, now=elsewhen.MORNING))

        def open_lane(place: int) -> Lane:
            keep = base / f"lane-{place}"
            keep.mkdir()
            controller = Controller(stack.enter_context(running_stack(options, lambda _: None)), keep)
            elsewhen.open_lake(controller, elsewhen.MORNING)
            controller.backfill(BACKFILLED_DAYS)
            controller.save()
            runbook = Runbook(keep, directory, list(controller.secrets))
            stack.callback(runbook.close)
            return Lane(controller, runbook)

        opened = Lanes(number, open_lane)
        try:
            yield opened
        finally:
            opened.close()
