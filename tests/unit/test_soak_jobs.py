"""By the API a sample is an inspection: one that waits is followed, one that a crash has left is given up."""

from typing import TypeVar

import pytest
from pydantic import BaseModel

from tests.support.builders import FakeClock, a_job, replication
from tsse_validation.clients.allowed import CORE_CALLS, JOBS_PATH, MOST_OWN_JOBS, CallGuard
from tsse_validation.clients.budget import PostBudget
from tsse_validation.clients.core import CoreClient
from tsse_validation.clients.jobs import JobRunner
from tsse_validation.domain.contract import INSPECT_JOB, Job, JobEvent
from tsse_validation.domain.errors import DeadlineError, NotAllowedError
from tsse_validation.steps.soak_watching import JobSource

_Model = TypeVar("_Model", bound=BaseModel)


class OneJob(CoreClient):
    """A controller whose inspection stands where it is told to."""

    def __init__(self, clock: FakeClock) -> None:
        self.status = "completed"
        self.created: list[str] = []
        self.budget = PostBudget(clock)

    def create_job(self, job_type: str, params: dict[str, object], *, purpose: str, **_: object) -> Job:
        assert (job_type, params) == (INSPECT_JOB, {})
        self.budget.spend(purpose)
        self.created.append(f"job-{len(self.created) + 1}")
        return self.job(self.created[-1])

    def job(self, job_id: str) -> Job:
        return a_job(INSPECT_JOB, id=job_id, status=self.status)

    def result(self, job_id: str, model: type[_Model]) -> _Model:
        assert job_id == self.created[-1]
        inspection: dict[str, object] = {
            "hot_path": "/lake",
            "cold_path": None,
            "datasets": {},
            "replication": replication(),
        }
        return model.model_validate({"job_type": INSPECT_JOB, "inspection": inspection})

    def events(self, job_id: str) -> list[JobEvent]:
        assert job_id == self.created[-1]
        return []


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def core(clock: FakeClock) -> OneJob:
    return OneJob(clock)


@pytest.fixture
def source(core: OneJob, clock: FakeClock) -> JobSource:
    jobs = JobRunner(core, poll_interval=5, clock=clock, sleep=clock.sleep)
    return JobSource(jobs, timeout=300)


def test_each_sample_is_one_inspection_and_its_files_are_looked_at_once(source: JobSource, core: OneJob) -> None:
    assert source.read() == source.read() == replication()
    assert core.created == ["job-1", "job-2"]
    assert core.budget.by_purpose == {"soak": 2}
    look = source.files()
    assert look is not None
    assert look.temporary is None
    assert source.files() is None


def test_an_inspection_that_waits_behind_others_is_followed_and_none_is_added(
    source: JobSource, core: OneJob
) -> None:
    core.status = "pending"
    with pytest.raises(DeadlineError):
        source.read()
    with pytest.raises(DeadlineError):
        source.read()
    assert source.blocked_for() == 0
    core.status = "completed"
    assert source.read() == replication()
    assert core.created == ["job-1"]


def test_an_inspection_that_a_crash_has_left_running_is_given_up_soon(
    source: JobSource, core: OneJob, clock: FakeClock
) -> None:
    core.status = "running"
    began = clock.now
    with pytest.raises(DeadlineError, match="stands still"):
        source.read()
    assert clock.now - began < 40
    core.status = "completed"
    assert source.read() == replication()
    assert core.created == ["job-1", "job-2"]


def test_a_budget_that_is_spent_says_when_there_is_a_post_again(source: JobSource, core: OneJob) -> None:
    assert source.blocked_for() == 0
    core.budget.was_refused(45.0)
    assert source.blocked_for() == 45


def test_of_the_jobs_of_weeks_the_last_are_ours_to_cancel_and_the_first_are_forgotten() -> None:
    guard = CallGuard(CORE_CALLS)
    for number in range(MOST_OWN_JOBS + 1):
        guard.started(f"job-{number}")
    guard.hold("POST", f"{JOBS_PATH}/job-{MOST_OWN_JOBS}/cancel")
    with pytest.raises(NotAllowedError, match="cancels only jobs of its own"):
        guard.hold("POST", f"{JOBS_PATH}/job-0/cancel")
