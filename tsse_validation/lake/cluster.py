"""A Dask cluster as workers: each task goes to a worker, and its answer is held to what this machine sees.

Only what this machine sees as well is the lake's fault. A worker that complains, or that takes a file for broken,
may have trouble of its own; one that sees fewer files may look at another lake, or at an old state of a directory.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any, Protocol, cast

from distributed import Client
from distributed import Future as ClusterFuture
from distributed.scheduler import KilledWorker

from tsse_validation.domain.errors import ClusterError, SuiteError, UnreachableError
from tsse_validation.domain.phrasing import count_of, days_in_words
from tsse_validation.domain.polling import Told, growing, looks, unheard
from tsse_validation.domain.stack import LakePaths
from tsse_validation.lake.at_worker import Reply, answered, software
from tsse_validation.lake.cluster_client import (
    USUAL_WAITS,
    ClusterWaits,
    await_workers,
    cluster_client,
    hold_software,
    hold_workers,
    refuse_software,
)
from tsse_validation.lake.read_errors import why_broken
from tsse_validation.lake.reader import LakeFile, LakeReader
from tsse_validation.lake.working import Workers

_PER_THREAD = 4
"""Tasks that the scheduler has for each thread of a worker: enough that none waits for us."""
_MOST_BEGUN = 256
_LOOK_EVERY = 2.0
_ITS_OWN_TROUBLE = "This machine reads it without fault: look at that worker's user, disk and mount."


class _LakeTask(Protocol):
    @property
    def paths(self) -> LakePaths: ...
    @property
    def days(self) -> tuple[date, ...]: ...
    def takes(self, file: LakeFile) -> bool: ...


class _LakeAnswer(Protocol):
    @property
    def files(self) -> Sequence[LakeFile]: ...
    @property
    def unreadable(self) -> Mapping[LakeFile, str]: ...


def cluster_workers(
    address: str, paths: LakePaths, waits: ClusterWaits = USUAL_WAITS, told: Told = unheard
) -> Workers:
    """Return a Dask cluster as the workers of a lake, whose paths are absolute; it is contacted at each use.

    A use raises ClusterError where there is no worker, or one has other software than ours or sees another lake,
    before it is given any work; errors as in `cluster_client` besides. What is in flight at its end is canceled.
    """
    return Workers(partial(_opened, address, paths, waits, told), in_flight=_MOST_BEGUN)


def try_cluster(address: str, hot: Path | None, waits: ClusterWaits) -> int:
    """Return how many threads the workers of a cluster have, once all is held that a use of it would hold.

    Without a hot directory nothing is held of the lake. Errors as in `cluster_workers`.
    """
    with cluster_client(address, waits) as client:
        threads = await_workers(client, address, waits, unheard)
        if hot is None:
            hold_software(client)
        else:
            hold_workers(client, hot, waits, unheard)
    return threads


@contextmanager
def _opened(address: str, paths: LakePaths, waits: ClusterWaits, told: Told) -> Iterator[Executor]:
    with cluster_client(address, waits) as client:
        threads = await_workers(client, address, waits, told)
        hold_workers(client, paths.hot, waits, told)
        begun = min(_PER_THREAD * threads, _MOST_BEGUN)
        with ClusterExecutor(client, address, waits, begun) as executor:
            yield executor


class ClusterExecutor(Executor):
    """Runs tasks of a lake on the workers of a cluster; the function runs here too, where a worker complains.

    A lost worker's tasks are run again on others, by Dask. A task raises ClusterError where workers are lost over
    it again and again, where none is left, or where a worker has other software, sees other files or cannot read
    what this machine can; UnreachableError where the scheduler is lost. It raises what the function does where
    this machine finds the same.
    """

    def __init__(self, client: Client, address: str, waits: ClusterWaits, begun: int) -> None:
        self._client = client
        self._address = address
        self._waits = waits
        self._threads = ThreadPoolExecutor(begun, thread_name_prefix="cluster")
        self._ending = threading.Event()
        self._sent: set[ClusterFuture[Any]] = set()
        self._lock = threading.Lock()
        self._here = threading.Lock()
        self._alone_since: float | None = None

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Send a function of one task; both must pickle, and so must the answer."""
        return self._threads.submit(self._held, fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = True) -> None:
        """End: what is in flight is canceled on the cluster too."""
        self._ending.set()
        with self._lock:
            sent = list(self._sent)
        with suppress(OSError, RuntimeError):
            self._client.cancel(sent, force=True)
        self._threads.shutdown(wait, cancel_futures=cancel_futures)

    def _held(self, function: Callable[[Any], Any], task: _LakeTask) -> Any:
        """Return a worker's answer, once this machine sees the files that the worker has seen."""
        sight, doubt = _Sight(task), ""
        attempts = partial(self._reply, function, task)
        for reply in looks(attempts, timeout=self._waits.sight, pauses=growing(0.2, 10), sleep=self._pause):
            if reply.complaint is not None:
                self._looked_at_here(function, task, reply.worker, reply.complaint)
            answer = cast("_LakeAnswer", reply.answer)
            doubt = sight.doubt(answer.files)
            if not doubt:
                self._hold_broken_here(reply.worker, answer.unreadable)
                return answer
        msg = f"{reply.worker} {doubt}."
        raise ClusterError(
            msg, "Is the same lake mounted there, with caches of attributes of some seconds at most?"
        )

    def _hold_on(self) -> None:
        """Hold that nobody has ended this executor."""
        if self._ending.is_set():
            raise CancelledError

    def _pause(self, seconds: float) -> None:
        self._ending.wait(seconds)

    def _reply(self, function: Callable[[Any], Any], task: _LakeTask) -> Reply[Any]:
        try:
            reply = self._result(self._client.submit(answered, function, task, software(), pure=False), task)
        except KilledWorker as error:
            lost = count_of(error.allowed_failures + 1, "worker")
            msg = f"{lost} were lost over {_named(task)}, the last {error.last_worker.address}."
            raise ClusterError(msg, "Has it too little memory, or who ended it? Its log says so.") from None
        except (OSError, RuntimeError, ImportError, AttributeError, TypeError) as error:
            with suppress(OSError, RuntimeError):
                hold_software(self._client)  # a worker that has come since
            msg = f"The cluster could not run {_named(task)}: {' '.join(str(error).split())[:200]}."
            raise ClusterError(msg, "The logs of scheduler and workers say more.") from None
        if reply.answer is None and reply.complaint is None:
            refuse_software(reply.worker, reply.software)
        return reply

    def _result(self, future: ClusterFuture[Any], task: _LakeTask) -> Reply[Any]:
        with self._lock:
            self._sent.add(future)
        try:
            while True:
                self._hold_on()
                try:
                    return future.result(timeout=_LOOK_EVERY)  # type: ignore[no-any-return]
                except TimeoutError:
                    self._hold_any_worker(task)
        except CancelledError:
            if self._ending.is_set():
                raise
            msg = f"The Dask scheduler at {self._address} was lost, or somebody canceled {_named(task)} there."
            raise UnreachableError(msg, "Its log says why. Then start this again.") from None
        finally:
            with self._lock:
                self._sent.discard(future)

    def _hold_any_worker(self, task: _LakeTask) -> None:
        """Hold that there was a worker not long ago; a task waits for one without end."""
        try:
            threads = self._client.nthreads()
        except (OSError, RuntimeError):
            return  # the scheduler is lost, and the task with it
        with self._lock:
            now = time.monotonic()
            since = self._alone_since = None if threads else (self._alone_since or now)
        if since is not None and now - since >= self._waits.workers:
            msg = f"No worker was left at {self._address} for {self._waits.workers:,.0f} s, over {_named(task)}."
            raise ClusterError(msg, f"Start some, then this again: dask worker {self._address}")

    def _looked_at_here(
        self, function: Callable[[Any], Any], task: _LakeTask, worker: str, complaint: SuiteError
    ) -> None:
        """Raise what this machine finds, or else the worker's own trouble."""
        with self._here:  # one at a time: a task may take most of our memory
            self._hold_on()
            function(task)
        msg = f"On {worker}: {complaint.message}"
        raise ClusterError(msg, _ITS_OWN_TROUBLE)

    def _hold_broken_here(self, worker: str, unreadable: Mapping[LakeFile, str]) -> None:
        for file, reason in unreadable.items():
            if file.there and why_broken(file) is None:
                msg = f"{worker} cannot read {file.path}: {reason[:200]}."
                raise ClusterError(msg, _ITS_OWN_TROUBLE)


class _Sight:
    """What this machine sees of a task's files, after each attempt of a worker's."""

    def __init__(self, task: _LakeTask) -> None:
        self._task = task
        self._before: set[tuple[Path, int]] | None = None

    def doubt(self, seen: Sequence[LakeFile]) -> str:
        """Say in which files a worker's sight differs from ours, or nothing.

        Files come and go while a worker reads. At the first attempt both must be the same; after that, those that
        have stood here all the while must have been seen there, and what was seen there must have stood here.
        """
        after, there = self._look(), _sizes(seen)
        stood, stands = (after, after) if self._before is None else (self._before & after, self._before | after)
        self._before = after
        missing, strange = sorted(stood - there), sorted(there - stands)
        told = []
        if missing:
            told.append(
                f"does not see {count_of(len(missing), 'file')} that this machine sees, as {missing[0][0]}"
            )
        if strange:
            told.append(f"sees {count_of(len(strange), 'file')} that this machine does not, as {strange[0][0]}")
        return " and ".join(told)

    def _look(self) -> set[tuple[Path, int]]:
        listing = LakeReader(self._task.paths).listing_of(self._task.days)
        return _sizes(file for file in listing.files if self._task.takes(file))


def _sizes(files: Iterable[LakeFile]) -> set[tuple[Path, int]]:
    """Return files by path and size: the time of writing is not the same to the nanosecond on every mount."""
    return {(file.path, file.size) for file in files}


def _named(task: _LakeTask) -> str:
    return days_in_words(task.days)
