"""The guard of the HTTP client: what is not the runbook's is not sent, wherever above it a mistake was made."""

from collections.abc import Callable

import httpx
import pytest

from tests.integration.clients.conftest import Connect, Serve
from tests.integration.clients.hostile import answer, document
from tsse_validation.clients.allowed import CORE_CALLS, QDRANT_CALLS
from tsse_validation.domain.errors import NotAllowedError, PromiseBrokenError

JOBS = "/api/analysis/jobs"
ID = "a66ef24e-66fe-4c93-a1c2-755b7f140b40"
WINDOW: dict[str, object] = {"start": "2026-01-01T00:00:00+00:00", "end": "2026-01-01T01:00:00+00:00"}
PARITY: dict[str, object] = WINDOW | {"sensor_ids": ["a"], "sample": 5, "fail_on_mismatch": False}


def job(job_type: object, params: object, **more: object) -> dict[str, object]:
    return {"job_type": job_type, "params": params, "job_key": None, "dedupe": False, **more}


ALLOWED: dict[str, tuple[str, str, object]] = {
    "health": ("GET", "/healthz", None),
    "status": ("GET", f"{JOBS}/{ID}", None),
    "result": ("GET", f"{JOBS}/{ID}/result", None),
    "events": ("GET", f"{JOBS}/{ID}/events?after=0&limit=500", None),
    "inspect": ("POST", JOBS, job("lake_inspect_v1", {})),
    "backfill": ("POST", JOBS, job("lake_backfill_v1", {"days": 90, "replace_existing": True})),
    "tick": ("POST", JOBS, job("lake_replication_tick_v1", {})),
    "parity": ("POST", JOBS, job("lake_parity_check_v1", PARITY)),
}
FOREIGN: dict[str, tuple[str, str, object]] = {
    "delete": ("DELETE", f"{JOBS}/{ID}", None),
    "put": ("PUT", f"{JOBS}/{ID}", None),
    "patch": ("PATCH", f"{JOBS}/{ID}", None),
    "options": ("OPTIONS", JOBS, None),
    "list of jobs": ("GET", JOBS, None),
    "another endpoint": ("GET", "/api/sensors", None),
    "another endpoint behind a job's": ("GET", f"{JOBS}/{ID}/../../users", None),
    "health with a query": ("GET", "/healthz?reset=1", None),
    "root": ("GET", "/", None),
    "get with a body": ("GET", "/healthz", {}),
    "cancel of a stranger's": ("POST", f"{JOBS}/{ID}/cancel", None),
    "post to a job": ("POST", f"{JOBS}/{ID}", job("lake_inspect_v1", {})),
    "post with a query": ("POST", f"{JOBS}?force=1", job("lake_inspect_v1", {})),
    "post of nothing": ("POST", JOBS, None),
    "post of a list": ("POST", JOBS, [job("lake_inspect_v1", {})]),
    "noop job": ("POST", JOBS, job("noop_v1", {"steps": 1})),
    "unknown lake job": ("POST", JOBS, job("lake_vacuum_v1", {})),
    "job type with a space": ("POST", JOBS, job("lake_inspect_v1 ", {})),
    "job type that is a list": ("POST", JOBS, job(["lake_inspect_v1"], {})),
    "inspect with parameters": ("POST", JOBS, job("lake_inspect_v1", {"repair": True})),
    "tick with parameters": ("POST", JOBS, job("lake_replication_tick_v1", {"lag": 0})),
    "params that are null": ("POST", JOBS, job("lake_inspect_v1", None)),
    "backfill of no day": ("POST", JOBS, job("lake_backfill_v1", {"days": 0, "replace_existing": True})),
    "backfill of 366 days": ("POST", JOBS, job("lake_backfill_v1", {"days": 366, "replace_existing": True})),
    "backfill of days as text": ("POST", JOBS, job("lake_backfill_v1", {"days": "90", "replace_existing": True})),
    "backfill of days as truth": ("POST", JOBS, job("lake_backfill_v1", {"days": True, "replace_existing": True})),
    "backfill without days": ("POST", JOBS, job("lake_backfill_v1", {"replace_existing": True})),
    "backfill with more": (
        "POST",
        JOBS,
        job("lake_backfill_v1", {"days": 90, "replace_existing": True, "delete": True}),
    ),
    "parity without a window": ("POST", JOBS, job("lake_parity_check_v1", {"sample": 5})),
    "job with a key": ("POST", JOBS, job("lake_inspect_v1", {}, job_key="mine")),
    "job with dedupe": ("POST", JOBS, job("lake_inspect_v1", {}, dedupe=True)),
    "job for another user": ("POST", JOBS, job("lake_inspect_v1", {}, created_by="root")),
}


@pytest.mark.parametrize("name", ALLOWED)
def test_the_runbooks_calls_pass(name: str, serve: Serve, connect: Connect) -> None:
    method, path, body = ALLOWED[name]
    server = serve(document({}))
    assert connect(server.url, calls=CORE_CALLS).send(method, path, json=body).status == 200
    assert [(sent.method, sent.path) for sent in server.requests] == [(method, path)]


@pytest.mark.parametrize("name", FOREIGN)
def test_every_other_call_raises_and_is_not_sent(name: str, serve: Serve, connect: Connect) -> None:
    method, path, body = FOREIGN[name]
    server = serve(document({}))
    with pytest.raises(NotAllowedError) as caught:
        connect(server.url, calls=CORE_CALLS).send(method, path, json=body)
    assert "please report it" in caught.value.advice
    assert server.requests == []


def test_a_job_may_be_canceled_once_it_was_started_by_this_run(serve: Serve, connect: Connect) -> None:
    server = serve(document({}))
    client = connect(server.url, calls=CORE_CALLS)
    client.guard.started(ID)
    client.send("POST", f"{JOBS}/{ID}/cancel")
    with pytest.raises(NotAllowedError, match="only jobs of its own"):
        client.send("POST", f"{JOBS}/{ID[::-1]}/cancel")
    with pytest.raises(NotAllowedError):
        client.send("POST", f"{JOBS}/{ID}/cancel", json={"force": True})
    assert [sent.path for sent in server.requests] == [f"{JOBS}/{ID}/cancel"]


def test_qdrant_is_asked_for_its_health_and_its_name_only(serve: Serve, connect: Connect) -> None:
    server = serve(document({}))
    client = connect(server.url, calls=QDRANT_CALLS)
    client.get("/healthz")
    client.get("/")
    for method, path in (("GET", "/collections"), ("DELETE", "/"), ("POST", "/"), ("GET", JOBS)):
        with pytest.raises(NotAllowedError):
            client.send(method, path)
    assert [sent.path for sent in server.requests] == ["/healthz", "/"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_followed_nowhere(status: int, serve: Serve, connect: Connect) -> None:
    elsewhere = serve(document({}))
    server = serve(answer(status, "", {"Location": f"{elsewhere.url}/healthz"}))
    with pytest.raises(PromiseBrokenError, match="redirect"):
        connect(server.url, calls=CORE_CALLS).get("/healthz")
    assert elsewhere.requests == []


@pytest.mark.parametrize(
    "address",
    [
        lambda url: url.replace("127.0.0.1", "localhost"),
        lambda url: url.replace("http:", "https:"),
        lambda url: f"{url[:-1]}{(int(url[-1]) + 1) % 10}",
    ],
    ids=["host", "scheme", "port"],
)
def test_nothing_goes_to_another_address(address: Callable[[str], str], serve: Serve, connect: Connect) -> None:
    server = serve(document({}))
    client = connect(server.url, calls=CORE_CALLS)
    with pytest.raises(NotAllowedError, match="it speaks to"):
        client._client.get(httpx.URL(f"{address(server.url)}/healthz"))
    assert server.requests == []


def test_a_controller_behind_a_path_is_held_to_that_path(serve: Serve, connect: Connect) -> None:
    server = serve(document({}))
    client = connect(f"{server.url}/farm", calls=CORE_CALLS)
    client.get("/healthz")
    with pytest.raises(NotAllowedError):
        client._client.get(httpx.URL(f"{server.url}/healthz"))
    assert [sent.path for sent in server.requests] == ["/farm/healthz"]
