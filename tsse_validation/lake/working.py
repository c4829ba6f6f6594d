"""Runs tasks on workers: threads of this process, or whatever else `concurrent.futures` can speak to."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

LOCAL_THREADS = 1
"""A task keeps the column engine's own threads busy, and has most of our memory."""

Task = TypeVar("Task")
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Workers:
    """Workers, of which each use opens an executor; no more than `in_flight` tasks are begun and not yet answered.

    Functions, tasks and answers must pickle, for a worker may be another process on another machine.
    """

    open: Callable[[], AbstractContextManager[Executor]]
    in_flight: int

    def run(self, function: Callable[[Task], Answer], tasks: Iterable[Task]) -> Iterator[Answer]:
        """Yield the answers in the order of the tasks, which are taken as they are begun.

        Raises what a task raises. Then, and when whoever takes the answers stops, what has not begun is canceled.
        """
        left = iter(tasks)
        with self.open() as executor:
            waiting = deque[Future[Answer]]()
            try:
                while True:
                    for task in left:
                        waiting.append(executor.submit(function, task))
                        if len(waiting) >= self.in_flight:
                            break
                    if not waiting:
                        return
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()


def local_workers(threads: int = LOCAL_THREADS) -> Workers:
    """Return threads of this process; the next task begins while an answer is looked at."""
    open_threads = partial(ThreadPoolExecutor, max_workers=threads, thread_name_prefix="lake")
    return Workers(open_threads, in_flight=threads + 1)
