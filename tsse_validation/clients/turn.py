"""One backfill at a time: a turn among our own runs, and a look at what else is active on the lake.

The API lists no jobs, `dedupe` joins only jobs under our own key, and the replication state knows a backfill only
once it has completed (contract section 3). So two things are looked at. A lock file for each controller keeps our
own runs apart: the operating system frees it however its owner ends, and it names the backfill that a run has left
behind. Where Postgres may be read, `analysis_jobs` has everybody's jobs; elsewhere the jobs of other users and
machines are not seen, and `unseen` says so.

A controller that dies leaves the jobs that ran `running` for ever, and no cancel ends them (contract section 3).
So a job that has not moved for long is left over: it is named, and not waited for as if it ran.
"""

import fcntl
import hashlib
import json
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from io import StringIO
from itertools import repeat
from pathlib import Path
from typing import TextIO, TypeVar
from urllib.parse import urlsplit

from tsse_validation.clients.core import CoreClient
from tsse_validation.clients.postgres import PostgresClient
from tsse_validation.clients.snapshot import ActiveJob
from tsse_validation.domain.contract import BACKFILL_JOB, Job
from tsse_validation.domain.errors import AccessError, NotCheckedError
from tsse_validation.domain.holding import require
from tsse_validation.domain.instants import format_rfc3339
from tsse_validation.domain.polling import StillSince, looks
from tsse_validation.settings.places import cache_directory

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_DEFAULT_PORTS = {"http": 80, "https": 443}
_Value = TypeVar("_Value")


class BackfillTurn:
    """The right to start a backfill; `unseen` is why others' jobs could not be seen, or `None`.

    `left_over` are the jobs that are `running` and have not moved for `leftover_after` seconds, by id.
    """

    def __init__(
        self,
        core: CoreClient,
        postgres: PostgresClient | None,
        stream: TextIO,
        *,
        leftover_after: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._core = core
        self._postgres = postgres
        self._stream = stream
        self._left = _left_job(stream)
        self._leftover_after = leftover_after
        self._watched = defaultdict[str, StillSince](partial(StillSince, clock))
        self.left_over: dict[str, ActiveJob] = {}
        self.unseen: str | None = None
        if postgres is None:
            self.unseen = "the API lists no jobs, and no --database-url was given"
        self._write()

    @property
    def over(self) -> bool:
        """Whether no backfill of ours is left in the controller."""
        return self._left is None

    def started(self, job: Job) -> None:
        """Take note of our job, for the run that comes after us, should we not see its end."""
        self._left = job.id
        self._write()

    def hold_free(self) -> None:
        """Look once more before ours is created: what it would take away may have been looked at for long.

        Raises NotCheckedError when another backfill was started meanwhile.
        """
        if others := [job for job in self._in_postgres() if job.job_type == BACKFILL_JOB]:
            msg = f"No backfill was started: {_named(others[0])} was started before it."
            raise NotCheckedError(msg, "Run again when it has ended.")

    def hold_alone(self, job: Job) -> None:
        """Look once more, now that our job is in the table: a run that starts one in the same moment sees ours.

        Raises NotCheckedError when another backfill was started meanwhile; ours is being canceled.
        """
        if others := self.others_than(job):
            self._core.cancel(job.id)
            msg = f"{_named(others[0])} was started in the same moment: ours, {job.id}, was withdrawn."
            raise NotCheckedError(msg, "Run again when it has ended.")

    def others_than(self, job: Job) -> list[ActiveJob]:
        """Return the backfills that are active beside ours, as far as they can be seen, oldest first."""
        return [other for other in self._in_postgres() if other.job_type == BACKFILL_JOB and other.id != job.id]

    def ended(self) -> None:
        """Take note that our job is terminal."""
        self._left = None

    def active(self) -> list[ActiveJob]:
        """Return the lake jobs that are active, as far as they can be seen, oldest first."""
        found = self._in_postgres()
        if self._left is not None and all(job.id != self._left for job in (*found, *self.left_over.values())):
            found += self._moving(self._left_by_us(self._left))
        return found

    def _in_postgres(self) -> list[ActiveJob]:
        if self._postgres is None:
            return []
        try:
            with self._postgres.snapshot() as snapshot:
                return self._moving(snapshot.active_lake_jobs())
        except AccessError as error:
            self.unseen = error.message.rstrip(".")
            return []

    def _moving(self, jobs: list[ActiveJob]) -> list[ActiveJob]:
        """Return the jobs that wait or run; those that a crash has left are remembered as such."""
        for job in map(self._watched_for_long, jobs):
            if job.left_over(self._leftover_after):
                self.left_over[job.id] = job
            else:
                self.left_over.pop(job.id, None)
        return [job for job in jobs if job.id not in self.left_over]

    def _left_by_us(self, job_id: str) -> list[ActiveJob]:
        if self._core.probe(job_id, self._core.authorization()).status == 404:  # the controller has forgotten it
            return []
        job = self._core.job(job_id)
        return [] if job.terminal else [ActiveJob(job.id, job.job_type, job.status, job.created_at)]

    def _watched_for_long(self, job: ActiveJob) -> ActiveJob:
        """Watch a job that runs by the API, where the table does not tell when it has moved."""
        if job.status != "running" or job.still_seconds is not None:
            return job
        seen = self._core.job(job.id)
        still = self._watched[job.id].seconds((seen.updated_at, seen.progress))
        return replace(job, still_seconds=still, progress=seen.progress.in_words)

    def _write(self) -> None:
        self._stream.seek(0)
        self._stream.truncate()
        json.dump({"pid": os.getpid(), "job_id": self._left}, self._stream)
        self._stream.flush()


@contextmanager
def backfill_turn(
    core: CoreClient,
    postgres: PostgresClient | None,
    *,
    timeout: float,
    pause: float,
    say: Callable[[str], None],
    leftover_after: float,
    alone: bool = False,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[BackfillTurn]:
    """Wait, up to `timeout` seconds, until no other lake job is active, and keep our own runs out meanwhile.

    `alone` says that the stack is this run's own, of which no other run knows: it needs no lock file. A job that
    has not moved for `leftover_after` seconds is not waited for.

    Raises NotCheckedError when one is active still: it would be disturbed, and our proof by it; AccessError when
    the lock file cannot be written.
    """
    path = _lock_path(core.http.base_url)
    deadline = clock() + timeout

    def look_until_free(look: Callable[[], _Value], blocker: Callable[[_Value], str | None]) -> _Value:
        said: str | None = None
        for seen in looks(look, timeout=deadline - clock(), pauses=repeat(pause), clock=clock, sleep=sleep):
            what = blocker(seen)
            if what is None:
                return seen
            if what != said:
                core.told(what.rstrip(","), max(0.0, deadline - clock()))
                said = what
        msg = f"No backfill was started: {said} is active, after {timeout:.0f} s still."
        raise NotCheckedError(msg, "Run again when it has ended (--active-job-timeout waits longer).")

    another_run = f"a backfill of {core.http.base_url} by another run of this user"
    stream = look_until_free(
        lambda: StringIO() if alone else _locked(path), lambda stream: another_run if stream is None else None
    )
    with require(stream, "the lock file") as held:
        turn = BackfillTurn(core, postgres, held, leftover_after=leftover_after, clock=clock)
        try:
            look_until_free(turn.active, lambda jobs: _named(jobs[0]) if jobs else None)
            for job in turn.left_over.values():
                say(left_over_in_words(job))
            turn.ended()
            yield turn
        finally:
            # still under our lock: a run that waits for this file sees that it is gone, and opens a new one
            if turn.over and not alone:
                path.unlink(missing_ok=True)


def is_taken(base_url: str) -> bool:
    """Whether another run of this user has the turn at a controller now; nothing is written to find out."""
    try:
        with _lock_path(base_url).open(encoding="utf-8") as stream:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # nobody has taken it, or nobody may look
        return False
    return False


def left_over_in_words(job: ActiveJob) -> str:
    """Return why a job that is `running` is not waited for."""
    far = f" at {job.progress}" if job.progress else ""
    return (
        f"The {job.job_type} job {job.id} is left over: running since {format_rfc3339(job.created_at)}, and it "
        f"has stood still{far} for {job.still_seconds or 0:,.0f} s. A crash of the controller leaves such a job "
        "for ever, and no cancel ends it: it is not waited for (--leftover-after)."
    )


def _named(job: ActiveJob) -> str:
    return f"the {job.job_type} job {job.id}, {job.status} since {format_rfc3339(job.created_at)},"


def _lock_path(base_url: str) -> Path:
    """Return the lock file of a controller; all names of this machine are one."""
    parts = urlsplit(base_url)
    host = "localhost" if parts.hostname in _LOOPBACK else parts.hostname
    controller = f"{host}:{parts.port or _DEFAULT_PORTS[parts.scheme]}{parts.path}"
    return cache_directory() / f"backfill-{hashlib.sha256(controller.encode()).hexdigest()[:16]}.json"


def _locked(path: Path) -> TextIO | None:
    """Open a file under an exclusive lock, or return `None` when another process has it."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        stream = path.open("a+", encoding="utf-8")
    except OSError as error:
        msg = f"The lock file {path} cannot be written: {error.strerror}."
        advice = "Two runs could backfill at once without it: let this user write there, or set XDG_CACHE_HOME."
        raise AccessError(msg, advice) from None
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(stream.fileno()).st_ino == path.stat().st_ino:
            return stream
    except (BlockingIOError, FileNotFoundError):
        pass
    stream.close()
    return None


def _left_job(stream: TextIO) -> str | None:
    """Return the job that the file's last owner has left in the controller."""
    stream.seek(0)
    try:
        job_id = json.loads(stream.read())["job_id"]
    except (ValueError, KeyError, TypeError):  # new, or its owner was killed while it wrote
        return None
    return job_id if isinstance(job_id, str) else None
