"""A job's life: claimed, run, canceled, and run again after a crash (contract section 3)."""

import threading
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from fixtures.controller.database import Database
from fixtures.controller.handlers import handlers
from fixtures.controller.jobs import NewJob, job_json
from fixtures.controller.replication import LakeService
from fixtures.controller.runner import Handler, JobContext, Runner
from tests.integration.controller.support import PATIENCE_SECONDS, FarmRows, SettledStore

StartRunner = Callable[..., Runner]


@pytest.fixture
def store(database: Database) -> SettledStore:
    return SettledStore(database)


@pytest.fixture
def start_runner(store: SettledStore) -> Iterator[StartRunner]:
    runners: list[Runner] = []

    def start(known: dict[str, Handler], workers: int = 2, poll: timedelta = timedelta(milliseconds=50)) -> Runner:
        runner = Runner(store, known, workers, poll)
        runner.start()
        runners.append(runner)
        return runner

    yield start
    for runner in runners:
        runner.stop()


def test_a_completed_job_has_it_all(store: SettledStore, start_runner: StartRunner, service: LakeService) -> None:
    job_id = _post(store, "noop_v1", steps=2)
    start_runner(handlers(service))
    _await_end(store)
    job = _job(store, job_id)
    assert job["status"] == "completed"
    assert job["created_at"] <= job["started_at"] <= job["completed_at"]
    assert job["progress"] == {"phase": "noop", "completed": 2, "total": 2, "message": "step 2 of 2"}
    assert store.result(job_id) == {"job_type": "noop_v1", "steps": 2}
    assert _kinds(store, job_id) == ["created", "started", "progress", "progress", "runner_summary", "completed"]


def test_an_unknown_type_fails(store: SettledStore, start_runner: StartRunner, service: LakeService) -> None:
    job_id = _post(store, "make_coffee_v1")
    start_runner(handlers(service))
    _await_end(store)
    job = _job(store, job_id)
    assert (job["status"], job["error"]["code"]) == ("failed", "unsupported_job_type")
    assert "details" not in job["error"]
    assert _kinds(store, job_id)[-1] == "failed"


def test_a_handler_that_breaks_fails_its_job_only(store: SettledStore, start_runner: StartRunner) -> None:
    def broken(_: JobContext, __: dict[str, Any]) -> dict[str, Any]:
        raise ZeroDivisionError

    first = _post(store, "broken")
    second = _post(store, "fine")
    start_runner({"broken": broken, "fine": lambda *_: {}}, workers=1)
    _await_end(store)
    _await_end(store)
    assert _job(store, first)["error"]["code"] == "internal_error"
    assert _job(store, second)["status"] == "completed"


def test_the_oldest_jobs_are_claimed_and_no_more_at_once(store: SettledStore, start_runner: StartRunner) -> None:
    posted = [_post(store, "hold") for _ in range(5)]
    hold = _Hold()
    start_runner({"hold": hold}, workers=2)
    assert {hold.await_entry(), hold.await_entry()} == {"held"}
    statuses = [_job(store, job_id)["status"] for job_id in posted]
    assert statuses == ["running"] * 2 + ["pending"] * 3
    hold.release.set()
    for _ in posted:
        _await_end(store)
    started = [_job(store, job_id)["started_at"] for job_id in posted]
    assert started == sorted(started)


def test_a_posted_job_starts_without_waiting_for_the_poll(store: SettledStore, start_runner: StartRunner) -> None:
    runner = start_runner({"fine": lambda *_: {}}, poll=timedelta(days=1))
    _post(store, "fine")
    runner.wake()
    _await_end(store)


def test_a_running_job_stops_when_it_next_looks(store: SettledStore, start_runner: StartRunner) -> None:
    job_id = _post(store, "hold")
    hold = _Hold()
    start_runner({"hold": hold})
    hold.await_entry()
    row = store.request_cancel(job_id)
    assert row is not None
    assert job_json(row)["status"] == "running"
    store.request_cancel(job_id)
    hold.release.set()
    _await_end(store)
    job = _job(store, job_id)
    assert job["status"] == "canceled"
    assert "canceled_at" in job
    assert "error" not in job
    assert _kinds(store, job_id) == ["created", "started", "cancel_requested", "runner_summary", "canceled"]


def test_canceling_an_ended_job_changes_nothing(store: SettledStore, start_runner: StartRunner) -> None:
    job_id = _post(store, "fine")
    start_runner({"fine": lambda *_: {}})
    _await_end(store)
    before = _job(store, job_id)
    store.request_cancel(job_id)
    assert _job(store, job_id) == before


def test_a_job_running_when_the_controller_died_runs_again(store: SettledStore, start_runner: StartRunner) -> None:
    job_id = _post(store, "fine")
    assert store.claim_oldest() is not None
    start_runner({"fine": lambda *_: {"answer": 42}})
    _await_end(store)
    assert _job(store, job_id)["status"] == "completed"
    assert store.result(job_id) == {"answer": 42}
    assert _kinds(store, job_id) == ["created", "started", "started", "runner_summary", "completed"]


def test_a_cancel_outlives_the_controllers_death(store: SettledStore, start_runner: StartRunner) -> None:
    unwanted = _post(store, "fine")
    assert store.claim_oldest() is not None
    store.request_cancel(unwanted)
    later = _post(store, "fine")
    start_runner({"fine": lambda *_: {}}, workers=1)
    assert store.ended.get(timeout=PATIENCE_SECONDS) == later
    assert _job(store, unwanted)["status"] == "canceled"


def test_a_job_that_runs_at_the_stop_is_left_to_the_next(store: SettledStore, start_runner: StartRunner) -> None:
    job_id = _post(store, "hold")
    hold = _Hold()
    runner = start_runner({"hold": hold})
    hold.await_entry()
    stopper = threading.Thread(target=runner.stop)
    stopper.start()
    hold.release_once_stopping()
    stopper.join(PATIENCE_SECONDS)
    assert _job(store, job_id)["status"] == "running"
    start_runner({"hold": lambda *_: {}})
    _await_end(store)
    assert _job(store, job_id)["status"] == "completed"


@pytest.mark.parametrize(
    ("asked", "taken"),
    [(7, 7), (0, 1), (365, 365), (366, 365), (-1, 90), ("7", 90), (7.5, 90), (True, 90), (None, 90)],
)
def test_the_days_of_a_backfill_are_clamped_or_silently_taken_as_90(
    store: SettledStore, start_runner: StartRunner, service: LakeService, asked: object, taken: int
) -> None:
    job_id = _post(store, "lake_backfill_v1", days=asked, replace_existing=True)
    start_runner(handlers(service))
    _await_end(store)
    assert store.result(job_id)["days"] == taken


def test_the_result_of_a_backfill_has_the_contracts_keys(
    store: SettledStore, start_runner: StartRunner, service: LakeService, farm: FarmRows
) -> None:
    farm.reading("s", service.clock() - timedelta(days=1), inserted_at=None)
    job_id = _post(store, "lake_backfill_v1", days=2, replace_existing=True)
    start_runner(handlers(service))
    _await_end(store)
    assert store.result(job_id) == {
        "job_type": "lake_backfill_v1",
        "dataset": "metrics/v1",
        "days": 2,
        "replace_existing": True,
        "target_inserted_at": "2026-03-10T11:59:00.000000+00:00",
        "backfill_from_ts": "2026-03-08T11:59:00.000000+00:00",
        "backfill_to_ts": "2026-03-10T11:59:00.000000+00:00",
        "touched_dates": ["2026-03-09"],
        "rows_exported": 1,
    }
    assert "phase_timing" in _kinds(store, job_id)


def test_a_tick_answers_with_state(store: SettledStore, start_runner: StartRunner, service: LakeService) -> None:
    job_id = _post(store, "lake_replication_tick_v1")
    start_runner(handlers(service))
    _await_end(store)
    result = store.result(job_id)
    assert (result["job_type"], result["status"]) == ("lake_replication_tick_v1", "ok")
    assert result["replication"] == service.states.load_replication().as_json()


def test_a_failed_tick_has_its_code(store: SettledStore, start_runner: StartRunner, service: LakeService) -> None:
    (service.lake.hot / "_state").mkdir()
    (service.lake.hot / "_state/replication.json").write_text("{")
    job_id = _post(store, "lake_replication_tick_v1")
    start_runner(handlers(service))
    _await_end(store)
    assert _job(store, job_id)["error"]["code"] == "replication_tick_failed"


class _Hold:
    """A handler that waits within its job until it is released, and then looks whether it is to stop."""

    def __init__(self) -> None:
        self.release = threading.Event()
        self._entered = threading.Semaphore(0)
        self._contexts: list[JobContext] = []

    def __call__(self, context: JobContext, _: dict[str, Any]) -> dict[str, Any]:
        self._contexts.append(context)
        self._entered.release()
        assert self.release.wait(PATIENCE_SECONDS)
        context.check()
        return {}

    def await_entry(self) -> str:
        assert self._entered.acquire(timeout=PATIENCE_SECONDS)
        return "held"

    def release_once_stopping(self) -> None:
        self._contexts[0].pause(PATIENCE_SECONDS)
        self.release.set()


def _post(store: SettledStore, job_type: str, **params: Any) -> uuid.UUID:
    job_id: uuid.UUID = store.create(NewJob(job_type, params))["id"]
    return job_id


def _await_end(store: SettledStore) -> None:
    store.ended.get(timeout=PATIENCE_SECONDS)


def _job(store: SettledStore, job_id: uuid.UUID) -> dict[str, Any]:
    row = store.find(job_id)
    assert row is not None
    return job_json(row)


def _kinds(store: SettledStore, job_id: uuid.UUID) -> list[str]:
    return [row["kind"] for row in store.events(job_id, 0, 500)]
