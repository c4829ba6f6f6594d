"""Tasks on workers: in order, bounded, picklable with their errors, and ended by whoever takes the answers."""

import pickle
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, Future
from contextlib import nullcontext
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from tests.support.builders import keys_table
from tsse_validation.domain import errors
from tsse_validation.domain.coverage import Coverage, Scope
from tsse_validation.domain.stack import LakePaths
from tsse_validation.domain.windows import Window
from tsse_validation.lake.reader import LakeFile
from tsse_validation.lake.tasks import BATCH_BYTES, DigestTask, TaskPart, digest_task, split_tasks
from tsse_validation.lake.working import Workers, local_workers

JAN_1 = datetime(2026, 1, 1, tzinfo=UTC)
JAN_3 = datetime(2026, 1, 3, tzinfo=UTC)
COVERAGE = Coverage(JAN_1, JAN_3, JAN_3)
KEYS = keys_table([("a", JAN_1), ("b", JAN_3)])
ERRORS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.SuiteError)]


class InBackwardOrder(Executor):
    """Answers only when as many are waiting as may be, the last first."""

    def __init__(self, in_flight: int) -> None:
        self.waiting: list[Future[object]] = []
        self.most = 0
        self._in_flight = in_flight

    def submit(self, function, /, *args, **more):  # type: ignore[no-untyped-def]
        future: Future[object] = Future()
        self.waiting.append(future)
        self.most = max(self.most, sum(not future.done() for future in self.waiting))
        future.set_running_or_notify_cancel()
        threading.Thread(target=lambda: future.set_result(function(*args, **more))).start()
        return future


def doubled(number: int) -> int:
    return 2 * number


def broken(number: int) -> int:
    msg = f"Number {number} is odd."
    raise errors.AccessError(msg, "Take another.")


@pytest.mark.parametrize("threads", [1, 3])
def test_answers_come_in_the_order_of_their_tasks(threads: int) -> None:
    assert list(local_workers(threads).run(doubled, range(20))) == [2 * number for number in range(20)]


def test_no_more_tasks_are_taken_than_may_be_in_flight() -> None:
    taken = []

    def tasks() -> Iterator[int]:
        for number in range(10):
            taken.append(number)
            yield number

    answers = local_workers().run(doubled, tasks())
    assert next(answers) == 0
    assert taken == [0, 1]
    assert list(answers) == [2 * number for number in range(1, 10)]


def test_an_error_of_a_task_is_raised_where_its_answer_was_due_and_ends_the_rest() -> None:
    begun = []

    def fails_second(number: int) -> int:
        begun.append(number)
        return broken(number) if number == 1 else number

    answers = local_workers().run(fails_second, range(100))
    assert next(answers) == 0
    with pytest.raises(errors.AccessError, match="Number 1 is odd"):
        list(answers)
    assert len(begun) < 5


def test_another_executor_does_as_well() -> None:
    executor = InBackwardOrder(3)
    workers = Workers(lambda: nullcontext(executor), in_flight=3)
    assert list(workers.run(doubled, range(9))) == [2 * number for number in range(9)]
    assert executor.most <= 3


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
def test_every_error_of_ours_comes_whole_from_another_process(kind: type[errors.SuiteError]) -> None:
    more = {"diagnoses": ("lost",)} if kind is errors.TriagedError else {}
    error = kind("It is so.", "Do this.", **more)
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert type(again) is kind
    assert (again.message, again.advice, str(again)) == ("It is so.", "Do this.", "It is so. Do this.")
    assert vars(again) == vars(error)


def test_a_task_pickles_and_has_the_keys_of_its_own_dates_only() -> None:
    scope = Scope(Window(JAN_1, JAN_3), COVERAGE)
    part = TaskPart.within(scope, KEYS, [JAN_3.date()])
    assert part.not_due["sensor_id"].to_pylist() == ["b"]
    assert part.scope.window == Window(JAN_3, JAN_3)
    task = DigestTask(LakePaths(Path("/lake")), (JAN_3.date(),), None, (part,))
    assert pickle.loads(pickle.dumps(task)) == task  # noqa: S301 - our own
    assert pickle.loads(pickle.dumps(digest_task)) is digest_task  # noqa: S301


def file(day: int, shard: int, size: int) -> LakeFile:
    return LakeFile(Path(f"{day}-{shard}"), date(2026, 1, day), f"{shard:02d}", "hot", size)


def test_small_dates_go_together_and_a_large_one_by_shards() -> None:
    third = BATCH_BYTES // 3
    files = [file(1, 0, third), file(2, 0, third), file(2, 1, third), file(3, 0, third)]
    large = [file(4, shard, BATCH_BYTES // 2) for shard in range(3)]
    split = [sorted((day.day, shard) for day, shard in places) for places in split_tasks(files + large)]
    assert split == [[(1, "00"), (2, "00"), (2, "01")], [(3, "00")], [(4, "00"), (4, "01")], [(4, "02")]]
    assert list(split_tasks([])) == []
