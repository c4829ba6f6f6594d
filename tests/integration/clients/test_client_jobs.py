"""A job from POST to result, on servers where it fails, hangs, is canceled or gets lost."""

from collections.abc import Callable

import pytest

from tests.integration.clients.conftest import Bench, Told
from tests.integration.clients.hostile import Reply, document, drop, text
from tests.support.builders import a_job, inspection
from tsse_validation.clients.jobs import JOB_ADVICE, FinishedJob, JobRunner
from tsse_validation.domain.contract import INSPECT_JOB, InspectResult, Job
from tsse_validation.domain.errors import (
    AccessError,
    DeadlineError,
    JobFailedError,
    PromiseBrokenError,
    SuiteError,
    UnreachableError,
)

MakeBench = Callable[..., Bench]
RESULT = document(
    {"job_id": "x", "result": {"job_type": INSPECT_JOB, "inspection": inspection().model_dump(mode="json")}}
)
EVENTS = document(
    {
        "events": [
            {"id": number, "created_at": "2026-01-24T16:29:48+00:00", "kind": kind, "payload": {}}
            for number, kind in enumerate(("created", "started", "progress", "completed"), start=1)
        ]
    }
)


def job(status: str, completed: int = 0, error: dict[str, str] | None = None) -> Reply:
    progress = {"phase": "p", "completed": completed, "total": 9}
    found = a_job(INSPECT_JOB, status=status, progress=progress, error=error)
    return document({"job": found.model_dump(mode="json", exclude_none=True)})


def run(
    made: Bench, *, timeout: float = 60.0, on_job: Callable[[Job], None] = lambda _: None
) -> FinishedJob[InspectResult]:
    runner = JobRunner(made.core, poll_interval=5.0, clock=made.clock, sleep=made.clock.sleep)
    return runner.run(INSPECT_JOB, {}, InspectResult, purpose="inspect", timeout=timeout, on_job=on_job)


def test_a_job_is_followed_to_its_end_and_returned_with_its_result_and_events(bench: MakeBench) -> None:
    made = bench(job("pending"), job("running", 3), job("completed", 9), RESULT, EVENTS)
    seen: list[str] = []
    finished = run(made, on_job=lambda found: seen.append(found.status))
    assert finished.result.inspection == inspection()
    assert finished.job.status == "completed"
    assert finished.progress == ((3, 9), (9, 9))
    assert seen == ["pending", "running", "completed"]
    assert [event.kind for event in finished.events] == ["created", "started", "progress", "completed"]
    assert [event.kind for event in finished.milestones()] == ["created", "started", "completed"]
    assert finished.seconds == pytest.approx(sum(made.clock.sleeps))


def test_a_job_that_is_done_at_once_is_not_polled(bench: MakeBench) -> None:
    made = bench(job("completed"), RESULT, EVENTS)
    assert run(made).progress == ()
    assert made.clock.sleeps == []


def test_the_pauses_between_polls_grow_up_to_the_longest(bench: MakeBench) -> None:
    made = bench(*[job("running")] * 20, job("completed"), RESULT, EVENTS)
    run(made)
    pauses = made.clock.sleeps
    assert pauses == sorted(pauses)
    assert pauses[0] < 0.5
    assert pauses[-1] == 5.0


@pytest.mark.parametrize("code", [*JOB_ADVICE, "something_new"])
def test_a_job_that_fails_is_told_with_code_reason_and_advice(code: str, bench: MakeBench, told: Told) -> None:
    made = bench(job("running"), job("failed", error={"code": code, "message": "the disk is full"}))
    with told(JobFailedError, code, "the disk is full") as caught:
        run(made)
    assert isinstance(caught.value, JobFailedError)
    assert caught.value.code == code
    assert caught.value.advice


STRANGE = document({"job": a_job(INSPECT_JOB).model_dump(mode="json") | {"status": "sleeping"}})
DONE, RUNNING = job("completed"), job("running")


@pytest.mark.parametrize(
    ("replies", "error", "says"),
    [
        ([RUNNING, job("canceled")], JobFailedError, ["was canceled"]),
        ([job("failed")], JobFailedError, ["was failed"]),
        ([RUNNING, text(404, "Job not found")], PromiseBrokenError, ["404", "Job not found"]),
        ([RUNNING, text(401, "Missing or invalid token")], AccessError, ["refuses the token"]),
        ([DONE, text(400, "Job is not completed")], PromiseBrokenError, ["400", "Job is not completed"]),
        ([RUNNING, STRANGE], PromiseBrokenError, ["job.status"]),
    ],
    ids=["canceled", "failed without a reason", "forgotten", "token revoked", "result gone", "unknown status"],
)
def test_a_job_that_comes_to_no_result_is_told_with_why(
    replies: list[Reply], error: type[SuiteError], says: list[str], bench: MakeBench, told: Told
) -> None:
    with told(error, *says):
        run(bench(*replies))


def test_a_job_that_never_ends_is_left_at_the_deadline_and_named(bench: MakeBench, told: Told) -> None:
    made = bench(job("pending"), job("running"))
    began = made.clock.now
    with told(DeadlineError, "is running after 60 s", a_job(INSPECT_JOB).id, "left running"):
        run(made, timeout=60.0)
    assert 60 < made.clock.now - began <= 60 + 5
    assert not any("cancel" in sent.path for sent in made.server.requests)


def test_a_poll_that_is_dropped_once_is_made_again(bench: MakeBench) -> None:
    made = bench(job("running"), drop, job("running"), drop, drop, job("completed"), RESULT, EVENTS)
    assert run(made).job.status == "completed"


def test_a_controller_that_goes_away_for_good_is_told_with_the_job_it_left(bench: MakeBench, told: Told) -> None:
    made = bench(job("running"), drop)
    with told(UnreachableError, "went away while", a_job(INSPECT_JOB).id, "dropped the connection"):
        run(made)
    assert [sent.method for sent in made.server.requests] == ["POST", "GET", "GET", "GET"]


def test_a_job_that_cannot_be_created_is_not_polled(bench: MakeBench, told: Told) -> None:
    made = bench(text(403, "Missing capabilities: analysis.run"))
    with told(AccessError, "analysis.run"):
        run(made)
    assert len(made.server.requests) == 1


# ---- cancel ----------------------------------------------------------------------------------------------------


def canceled(made: Bench, timeout: float = 60.0) -> Job:
    runner = JobRunner(made.core, poll_interval=5.0, clock=made.clock, sleep=made.clock.sleep)
    return runner.cancel(made.core.create_job(INSPECT_JOB, {}, purpose="inspect"), timeout=timeout)


@pytest.mark.parametrize("status", ["canceled", "completed", "failed"])
def test_a_canceled_job_is_followed_to_its_end_whichever_that_is(status: str, bench: MakeBench) -> None:
    made = bench(job("running"), job("running"), job("running"), job(status))
    assert canceled(made).status == status
    assert made.server.requests[1].path.endswith("/cancel")


def test_a_job_that_does_not_heed_its_cancellation_is_given_up_in_bounded_time(bench: MakeBench) -> None:
    made = bench(job("running"))
    assert canceled(made, timeout=60.0).status == "running"
    assert 60 < sum(made.clock.sleeps) <= 60 + 5


def follow(made: Bench, still_after: float) -> FinishedJob[InspectResult]:
    runner = JobRunner(made.core, poll_interval=5.0, clock=made.clock, sleep=made.clock.sleep)
    created = made.core.create_job(INSPECT_JOB, {}, purpose="inspect")
    return runner.follow(created, InspectResult, timeout=3_600, still_after=still_after)


def test_a_job_that_stands_still_while_the_controller_answers_is_given_up_long_before_its_deadline(
    bench: MakeBench,
) -> None:
    made = bench(job("pending"), job("running", 3), *[job("running", 4)] * 60)
    with pytest.raises(DeadlineError, match="stands still at 4 of 9 since") as caught:
        follow(made, 60)
    assert "running for ever" in caught.value.message
    assert 60 <= sum(made.clock.sleeps) < 80


def test_a_job_that_moves_or_waits_is_followed_for_as_long_as_that_takes(bench: MakeBench) -> None:
    waiting = [job("pending")] * 30
    moving = [job("running", step) for step in range(9) for _ in range(10)]
    made = bench(*waiting, *moving, job("completed", 9), RESULT, EVENTS)
    assert follow(made, 60).job.status == "completed"
