"""A job's life: claimed, run, canceled, and left running by a crash (contract section 3)."""

import threading
from datetime import timedelta
from typing import Any

import pytest

from fixtures.controller.jobs import job_json
from fixtures.controller.runner import JobContext
from tests.integration.controller.support import PATIENCE_SECONDS, FarmRows, SettledStore
from tests.support.given import given


def test_a_completed_job_has_its_result_its_times_and_its_history(store: SettledStore) -> None:
    job_id = store.run("noop_v1", steps=2)
    job = store.job(job_id)
    assert job["status"] == "completed"
    assert job["created_at"] <= job["started_at"] <= job["completed_at"]
    assert job["progress"] == {"phase": "noop", "completed": 2, "total": 2, "message": "step 2 of 2"}
    assert store.result(job_id) == {"job_type": "noop_v1", "steps": 2}
    assert store.kinds(job_id) == ["created", "started", "progress", "progress", "runner_summary", "completed"]


def test_an_unknown_type_fails(store: SettledStore) -> None:
    job_id = store.run("make_coffee_v1")
    job = store.job(job_id)
    assert (job["status"], job["error"]["code"]) == ("failed", "unsupported_job_type")
    assert "details" not in job["error"]
    assert store.kinds(job_id)[-1] == "failed"


def test_a_handler_that_breaks_fails_its_job_only(store: SettledStore) -> None:
    def broken(_: JobContext, __: dict[str, Any]) -> dict[str, Any]:
        raise ZeroDivisionError

    first, second = store.post("broken"), store.post("fine")
    store.start({"broken": broken, "fine": lambda *_: {}}, workers=1)
    assert [store.await_end(), store.await_end()] == [first, second]
    assert store.job(first)["error"]["code"] == "internal_error"
    assert store.job(second)["status"] == "completed"


def test_jobs_are_claimed_oldest_first_and_no_more_at_once_than_allowed(store: SettledStore) -> None:
    posted = [store.post("hold") for _ in range(5)]
    hold = _Hold()
    store.start({"hold": hold}, workers=2)
    assert {hold.await_entry(), hold.await_entry()} == {"held"}
    statuses = [store.job(job_id)["status"] for job_id in posted]
    assert statuses == ["running"] * 2 + ["pending"] * 3
    hold.release.set()
    for _ in posted:
        store.await_end()
    started = [store.job(job_id)["started_at"] for job_id in posted]
    assert started == sorted(started)


def test_a_posted_job_starts_without_waiting_for_the_poll(store: SettledStore) -> None:
    runner = store.start({"fine": lambda *_: {}}, poll=86_400)
    store.post("fine")
    runner.wake()
    store.await_end()


def test_a_running_job_stops_when_it_next_looks(store: SettledStore) -> None:
    job_id = store.post("hold")
    hold = _Hold()
    store.start({"hold": hold})
    hold.await_entry()
    assert job_json(given(store.request_cancel(job_id)))["status"] == "running"
    store.request_cancel(job_id)
    hold.release.set()
    store.await_end()
    job = store.job(job_id)
    assert (job["status"], "canceled_at" in job, "error" in job) == ("canceled", True, False)
    assert store.kinds(job_id) == ["created", "started", "cancel_requested", "runner_summary", "canceled"]


def test_canceling_an_ended_job_changes_nothing(store: SettledStore) -> None:
    job_id = store.post("fine")
    store.start({"fine": lambda *_: {}})
    store.await_end()
    before = store.job(job_id)
    store.request_cancel(job_id)
    assert store.job(job_id) == before


def test_a_job_that_ran_when_the_controller_died_stays_running_and_no_cancel_helps(store: SettledStore) -> None:
    left = store.post("fine")
    assert store.claim_oldest() is not None
    later = store.post("fine")
    store.start({"fine": lambda *_: {"answer": 42}})
    assert store.await_end() == later
    stood_still = store.job(left)
    assert stood_still["status"] == "running"
    for _ in range(2):
        before = store.job(left)
        answered = job_json(given(store.request_cancel(left)))
        assert answered["status"] == "running"
        assert answered["updated_at"] > before["updated_at"]
        assert store.job(left) == stood_still | {"updated_at": answered["updated_at"]}
    assert store.kinds(left) == ["created", "started", "cancel_requested"]


def test_a_controller_that_stops_leaves_a_running_job_as_it_is(store: SettledStore) -> None:
    job_id = store.post("hold")
    hold = _Hold()
    runner = store.start({"hold": hold})
    hold.await_entry()
    stopper = threading.Thread(target=runner.stop)
    stopper.start()
    hold.release_once_stopping()
    stopper.join(PATIENCE_SECONDS)
    later = store.post("hold")
    store.start({"hold": lambda *_: {}})
    assert store.await_end() == later
    assert store.job(job_id)["status"] == "running"


@pytest.mark.parametrize(
    ("asked", "taken"),
    [(7, 7), (0, 1), (365, 365), (366, 365), (-1, 90), ("7", 90), (7.5, 90), (True, 90), (None, 90)],
)
def test_the_days_of_a_backfill_are_clamped_or_silently_taken_as_90(
    store: SettledStore, asked: object, taken: int
) -> None:
    job_id = store.run("lake_backfill_v1", days=asked, replace_existing=True)
    assert store.result(job_id)["days"] == taken


def test_the_result_of_a_backfill_has_the_contracts_keys(store: SettledStore, farm: FarmRows) -> None:
    farm.reading("s", store.service.clock() - timedelta(days=1), inserted_at=None)
    job_id = store.run("lake_backfill_v1", days=2, replace_existing=True)
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
    assert "phase_timing" in store.kinds(job_id)


def test_a_tick_answers_with_the_replication_state(store: SettledStore) -> None:
    job_id = store.run("lake_replication_tick_v1")
    result = store.result(job_id)
    assert (result["job_type"], result["status"]) == ("lake_replication_tick_v1", "ok")
    assert result["replication"] == store.service.states.load_replication().as_json()


def test_a_tick_that_fails_has_the_contracts_code(store: SettledStore) -> None:
    (store.service.lake.hot / "_state").mkdir()
    (store.service.lake.hot / "_state/replication.json").write_text("{")
    job_id = store.run("lake_replication_tick_v1")
    assert store.job(job_id)["error"]["code"] == "replication_tick_failed"


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
