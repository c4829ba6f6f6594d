"""The core-server's client: what it lets out, what it makes of answers, and how it keeps the POST budget."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from pydantic import SecretStr

from tests.integration.clients.conftest import TOKEN, Bench, Told
from tests.integration.clients.hostile import Reply, answer, document, drop, text
from tests.support.builders import a_job, inspection
from tsse_validation.clients.core import CoreClient
from tsse_validation.domain.contract import (
    BACKFILL_JOB,
    INSPECT_JOB,
    PARITY_JOB,
    POST_BURST,
    POST_REFILL_SECONDS,
    RUNBOOK_JOBS,
    InspectResult,
    Job,
    TickResult,
)
from tsse_validation.domain.errors import (
    AccessError,
    BudgetError,
    NotAllowedError,
    PromiseBrokenError,
    SuiteError,
    UnreachableError,
)
from tsse_validation.steps.interrupts import deferred_interrupts

MakeBench = Callable[..., Bench]
JOB_ID = a_job(INSPECT_JOB).id
HTML = {"Content-Type": "text/html"}
LOST_DATABASE = "Database unavailable"
JOB = {"job": a_job(INSPECT_JOB).model_dump(mode="json", exclude_none=True)}
INSPECTED = {
    "job_id": JOB_ID,
    "result": {"job_type": INSPECT_JOB, "inspection": inspection().model_dump(mode="json")},
}
PARITY_PARAMS: dict[str, object] = {
    "start": "2026-01-01T00:00:00+00:00",
    "end": "2026-01-01T01:00:00+00:00",
    "sensor_ids": [],
    "sample": 5,
    "fail_on_mismatch": True,
}


def event(number: int) -> dict[str, object]:
    return {"id": number, "created_at": "2026-01-24T16:29:48+00:00", "kind": "progress", "payload": {}}


def page(*numbers: int) -> Reply:
    return document({"events": [event(number) for number in numbers], "next_after": max(numbers, default=0)})


# ---- what leaves the client ------------------------------------------------------------------------------------


def test_a_job_is_posted_as_the_contract_says_with_the_token_in_its_header(bench: MakeBench) -> None:
    made = bench(document(JOB))
    job = made.core.create_job(BACKFILL_JOB, {"days": 90, "replace_existing": True}, purpose="backfill")
    (sent,) = made.server.requests
    assert job.id == JOB_ID
    assert (sent.method, sent.path) == ("POST", "/api/analysis/jobs")
    assert sent.headers["authorization"] == f"Bearer {TOKEN}"
    assert sent.headers["content-type"] == "application/json"
    assert sent.json() == {
        "job_type": BACKFILL_JOB,
        "params": {"days": 90, "replace_existing": True},
        "job_key": None,
        "dedupe": False,
    }


def test_health_is_asked_for_without_the_token(bench: MakeBench) -> None:
    made = bench(document({"status": "ok"}, headers={"Date": "Sat, 24 Jan 2026 16:29:48 GMT"}))
    health = made.core.health()
    assert (health.status, health.body, health.date) == (200, {"status": "ok"}, "Sat, 24 Jan 2026 16:29:48 GMT")
    assert "authorization" not in made.server.requests[0].headers


@pytest.mark.parametrize(
    ("authorization", "sent"),
    [(None, None), ("Bearer", "Bearer"), ("Basic abc", "Basic abc"), ("own", f"Bearer {TOKEN}")],
)
def test_a_probe_has_exactly_its_own_header(authorization: str | None, sent: str | None, bench: MakeBench) -> None:
    made = bench(text(404, "Job not found"))
    got = made.core.probe(JOB_ID, made.core.authorization() if authorization == "own" else authorization)
    assert (got.status, got.text) == (404, "Job not found")
    assert made.server.requests[0].headers.get("authorization") == sent


def test_another_token_speaks_to_the_same_server_on_the_same_budget(bench: MakeBench) -> None:
    made = bench(document(JOB))
    viewer = made.core.with_token(SecretStr("a-view-token"))
    viewer.try_to_create(INSPECT_JOB, purpose="view-only token")
    assert made.server.requests[0].headers["authorization"] == "Bearer a-view-token"
    assert made.budget.spent == 1


@pytest.mark.parametrize("job_type", ["noop_v1", "", "lake_backfill_v2", "LAKE_BACKFILL_V1", "lake_backfill_v1 "])
def test_no_job_but_the_runbooks_own_is_started(job_type: str, bench: MakeBench) -> None:
    made = bench(document(JOB))
    with pytest.raises(NotAllowedError):
        made.core.create_job(job_type, {}, purpose="harm")
    assert made.server.requests == []
    assert made.budget.spent == 0


@pytest.mark.parametrize("job_type", [*sorted(RUNBOOK_JOBS - {INSPECT_JOB}), "noop_v1"])
def test_a_tokens_rights_are_tried_with_the_harmless_job_only(job_type: str, bench: MakeBench) -> None:
    made = bench(document(JOB))
    with pytest.raises(NotAllowedError):
        made.core.try_to_create(job_type, purpose="view-only token")
    assert made.server.requests == []


@pytest.mark.parametrize(
    "job_id",
    ["", "../users", "a/b", "a?b", "a#b", "a b", "a\n", "%2e%2e", "ä", "x/result/../../users", "a/cancel", "..;"],
)
def test_no_other_path_is_asked_for(job_id: str, bench: MakeBench) -> None:
    made = bench(document(JOB))
    asks: list[Callable[[], object]] = [
        lambda: made.core.job(job_id),
        lambda: made.core.events(job_id),
        lambda: made.core.result(job_id, InspectResult),
        lambda: made.core.probe(job_id, None),
        lambda: made.core.cancel(job_id),
    ]
    for ask in asks:
        with pytest.raises(NotAllowedError):
            ask()
    assert made.server.requests == []


def test_only_a_job_of_its_own_is_canceled(bench: MakeBench) -> None:
    made = bench(document(JOB))
    with pytest.raises(NotAllowedError, match="cancels only jobs of its own"):
        made.core.cancel(JOB_ID)
    assert made.server.requests == []
    made.core.create_job(INSPECT_JOB, {}, purpose="inspect")
    assert made.core.cancel(JOB_ID).id == JOB_ID
    assert [sent.path for sent in made.server.requests] == [
        "/api/analysis/jobs",
        f"/api/analysis/jobs/{JOB_ID}/cancel",
    ]


def test_a_job_of_another_run_is_not_ones_own(bench: MakeBench) -> None:
    bench(document(JOB)).core.create_job(INSPECT_JOB, {}, purpose="inspect")
    made = bench(document(JOB))
    with pytest.raises(NotAllowedError):
        made.core.cancel(JOB_ID)
    assert made.server.requests == []


# ---- what it makes of answers ----------------------------------------------------------------------------------


def test_a_result_is_taken_out_of_its_envelope(bench: MakeBench) -> None:
    made = bench(document(INSPECTED))
    assert made.core.result(JOB_ID, InspectResult).inspection == inspection()
    assert made.server.requests[0].path == f"/api/analysis/jobs/{JOB_ID}/result"


ASKS: dict[str, Callable[[CoreClient], object]] = {
    "job": lambda core: core.job(JOB_ID),
    "create": lambda core: core.create_job(INSPECT_JOB, {}, purpose="x"),
    "inspected": lambda core: core.result(JOB_ID, InspectResult),
    "ticked": lambda core: core.result(JOB_ID, TickResult),
}


@pytest.mark.parametrize(
    ("ask", "reply", "error", "says"),
    [
        ("job", text(401, "Missing or invalid token"), AccessError, ["refuses the token", "401"]),
        ("job", text(401, ""), AccessError, ["refuses the token", "401"]),
        ("create", text(403, "Missing capabilities: analysis.run"), AccessError, ["it lacks analysis.run"]),
        ("create", text(403, "Missing capabilities: analysis.view"), AccessError, ["it lacks analysis.view"]),
        ("job", text(403, "Go away"), AccessError, ["Go away"]),
        ("job", text(503, LOST_DATABASE), UnreachableError, ["answers 503", LOST_DATABASE, "is away"]),
        ("inspected", text(500, "oh dear"), PromiseBrokenError, ["answered 500", "oh dear"]),
        ("inspected", text(502, "<html>Bad Gateway</html>"), UnreachableError, ["answers 502", "<html>Bad "]),
        ("create", text(504, "Gateway Timeout"), UnreachableError, ["answers 504", "Gateway Timeout"]),
        ("inspected", text(404, "Job not found"), PromiseBrokenError, ["answered 404", "Job not fo"]),
        ("inspected", text(400, "Job is not completed"), PromiseBrokenError, ["answered 400", "Job is not"]),
        ("inspected", text(204, ""), PromiseBrokenError, ["answered 204"]),
        ("ticked", document(INSPECTED), PromiseBrokenError, ["result"]),
        ("job", answer(200, "<html>", HTML), PromiseBrokenError, ["text/html where JSON is promised"]),
    ],
)
def test_an_answer_that_is_not_the_promised_one_is_told_as_what_it_is(
    ask: str, reply: Reply, error: type[SuiteError], says: list[str], bench: MakeBench, told: Told
) -> None:
    with told(error, *says):
        ASKS[ask](bench(reply).core)


@pytest.mark.parametrize(
    ("content", "where"),
    [
        ({}, "job"),
        ([], "job"),
        (None, "job"),
        ({"job": None}, "job"),
        ({"job": {**JOB["job"], "status": "done"}}, "job.status"),
        ({"job": {**JOB["job"], "created_at": "today"}}, "job.created_at"),
        ({"job": {key: value for key, value in JOB["job"].items() if key != "id"}}, "job.id"),
    ],
)
def test_json_off_the_contract_is_told_by_place(content: object, where: str, bench: MakeBench, told: Told) -> None:
    with told(PromiseBrokenError, "that the contract does not promise", where):
        bench(document(content)).core.job(JOB_ID)


def test_all_events_are_read_page_by_page(bench: MakeBench) -> None:
    made = bench(page(*range(1, 501)), page(*range(501, 1001)), page(1001))
    assert [found.id for found in made.core.events(JOB_ID)] == list(range(1, 1002))
    assert [sent.path.split("?")[1] for sent in made.server.requests] == [
        "after=0&limit=500",
        "after=500&limit=500",
        "after=1000&limit=500",
    ]


def test_a_last_page_that_is_full_is_followed_by_an_empty_one(bench: MakeBench) -> None:
    made = bench(page(*range(1, 501)), page())
    assert len(made.core.events(JOB_ID)) == 500


@pytest.mark.parametrize("pages", [[page(2, 1)], [page(1, 1)], [page(0)], [page(*range(1, 501)), page(500)]])
def test_events_that_do_not_ascend_break_the_promise(pages: list[Reply], bench: MakeBench, told: Told) -> None:
    with told(PromiseBrokenError, "do not ascend"):
        bench(*pages).core.events(JOB_ID)


# ---- the POST budget -------------------------------------------------------------------------------------------

TOO_MANY = text(429, "Too Many Requests! Wait for 7s", {"Retry-After": "7", "X-RateLimit-After": "7"})


def test_a_post_that_was_refused_by_the_budget_is_sent_again_when_the_server_said(bench: MakeBench) -> None:
    made = bench(TOO_MANY, TOO_MANY, document(JOB))
    assert made.core.create_job(INSPECT_JOB, {}, purpose="inspect").id == JOB_ID
    assert len(made.server.requests) == 3
    assert (made.budget.refused, made.budget.spent) == (2, 3)
    assert all(slept > 7 for slept in made.clock.sleeps)
    assert made.budget.waited_seconds == pytest.approx(sum(made.clock.sleeps))


@pytest.mark.parametrize(
    ("headers", "at_least"),
    [
        ({"Retry-After": "100"}, 100),
        ({"x-ratelimit-after": "100"}, 100),
        ({"Retry-After": "Sat, 24 Jan 2026 16:29:48 GMT"}, 20),
        ({"Retry-After": "-5"}, 20),
        ({}, 20),
    ],
)
def test_the_wait_is_what_the_headers_say(headers: dict[str, str], at_least: int, bench: MakeBench) -> None:
    made = bench(text(429, "Too Many Requests!", headers), document(JOB))
    made.core.create_job(INSPECT_JOB, {}, purpose="inspect")
    assert at_least <= sum(made.clock.sleeps) <= at_least + 2


def test_a_server_that_refuses_for_ever_is_given_up_within_the_longest_wait(bench: MakeBench, told: Told) -> None:
    made = bench(TOO_MANY)
    with told(BudgetError, "POST budget", "parity"):
        made.core.create_job(PARITY_JOB, PARITY_PARAMS, purpose="parity")
    assert sum(made.clock.sleeps) <= 180


def test_a_wait_that_is_too_long_is_not_begun(bench: MakeBench, told: Told) -> None:
    made = bench(text(429, "Too Many Requests!", {"Retry-After": "3600"}))
    with told(BudgetError, "would wait"):
        made.core.create_job(INSPECT_JOB, {}, purpose="inspect")
    assert made.clock.sleeps == []
    assert len(made.server.requests) == 1


def test_the_burst_is_sent_at_once_and_what_follows_waits_for_its_refill(bench: MakeBench) -> None:
    made = bench(document(JOB))
    for _ in range(POST_BURST + 2):
        made.core.create_job(INSPECT_JOB, {}, purpose="inspect")
    assert made.clock.sleeps == [pytest.approx(20.0), pytest.approx(20.0)]
    assert made.waits == ["waiting up to 20 s for the controller's POST budget (0 of 60 left)"] * 2
    assert made.budget.refused == 0


def test_a_post_whose_connection_breaks_is_not_sent_again(bench: MakeBench, told: Told) -> None:
    made = bench(drop, document(JOB))
    with told(UnreachableError, "dropped the connection"):
        made.core.create_job(BACKFILL_JOB, {"days": 90, "replace_existing": True}, purpose="backfill")
    assert len(made.server.requests) == 1


def test_a_get_spends_nothing_of_the_budget(bench: MakeBench) -> None:
    made = bench(document(JOB))
    made.core.job(JOB_ID)
    assert made.budget.spent == 0


def test_the_client_does_not_print_its_token(bench: MakeBench) -> None:
    made = bench(document(JOB))
    assert TOKEN not in repr(made.core)
    assert TOKEN not in repr(vars(made.core))


def test_an_interrupt_ends_the_wait_for_the_budget_and_no_job_is_created(bench: MakeBench) -> None:
    made = bench(TOO_MANY, document(JOB))
    made.core.sleep = lambda _: signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        made.core.create_job(INSPECT_JOB, {}, purpose="test", undisturbed=deferred_interrupts)
    assert len(made.server.requests) == 1


def test_an_interrupt_while_a_job_is_created_comes_once_the_job_is_noted(bench: MakeBench) -> None:
    made = bench(document(JOB))
    noted: list[Job] = []

    @contextmanager
    def interrupted() -> Iterator[None]:
        with deferred_interrupts():
            signal.raise_signal(signal.SIGINT)
            yield

    with pytest.raises(KeyboardInterrupt):
        made.core.create_job(INSPECT_JOB, {}, purpose="test", note=noted.append, undisturbed=interrupted)
    assert [job.id for job in noted] == [JOB_ID]


def test_a_post_of_a_program_that_we_start_is_counted_and_waited_for(
    bench: Callable[..., Bench], told: Told
) -> None:
    made = bench(document({}))
    for _ in range(POST_BURST):
        made.core.let_another_post("tsse_lake_inspector")
    assert made.clock.sleeps == []
    made.core.let_another_post("backfill")
    assert made.clock.sleeps == [pytest.approx(POST_REFILL_SECONDS)]
    assert made.budget.by_purpose == {"tsse_lake_inspector": POST_BURST, "backfill": 1}
    made.budget.was_refused(1_000)
    with told(BudgetError, "a tsse_lake_parity_check job would wait 1000 s more"):
        made.core.let_another_post("tsse_lake_parity_check")


def test_a_job_that_such_a_program_has_created_for_us_may_be_canceled_and_no_other(
    bench: Callable[..., Bench], told: Told
) -> None:
    ours, other = a_job("lake_backfill_v1"), "483f1c83-682b-489a-81c2-de990b9a1407"
    made = bench(document({"job": ours.model_dump(mode="json", exclude_none=True)}))
    made.core.adopt(ours)
    assert made.core.cancel(ours.id) == ours
    with told(NotAllowedError, "cancels only jobs of its own"):
        made.core.cancel(other)
