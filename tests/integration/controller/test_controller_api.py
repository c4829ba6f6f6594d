"""The controller's HTTP API: statuses, bodies and the rate limit (contract sections 1 to 3)."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from starlette.types import ASGIApp

from fixtures.controller.api import RateLimitMiddleware, TokenBuckets, create_app
from fixtures.controller.database import Database
from fixtures.controller.jobs import JobStore
from fixtures.qdrant_standin import create_app as create_qdrant_standin
from tests.integration.controller.support import Api, FarmRows

JOBS = "/api/analysis/jobs"
UNKNOWN = str(uuid.UUID(int=1))
OF_A_JOB = (("GET", ""), ("GET", "/events"), ("GET", "/result"), ("POST", "/cancel"))
ENDPOINTS = [("POST", JOBS), *((method, f"{JOBS}/{UNKNOWN}{tail}") for method, tail in OF_A_JOB)]
AddToken = Callable[..., str]


@pytest.fixture
def app(database: Database, store: JobStore) -> ASGIApp:
    return create_app(database, store, posted=lambda: None)


@pytest.fixture
def api(app: ASGIApp, add_token: AddToken) -> Api:
    return Api(app, add_token("all", "analysis.run", "analysis.view"))


def test_health_needs_no_token_and_no_database() -> None:
    away = Database("postgresql://127.0.0.1:1/none")
    api = Api(create_app(away, JobStore(away), posted=lambda: None), token=None)
    answer = api.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert api.get(f"{JOBS}/{UNKNOWN}", headers={"authorization": "Bearer x"}).status_code == 503


@pytest.mark.parametrize(
    "header",
    [
        *(None, "", "Bearer", "Bearer ", "Basic all", "all"),
        *("Bearer unknown", "Bearer all all", "Bearer revoked", "Bearer expired"),
    ],
)
@pytest.mark.parametrize(("method", "path"), [*ENDPOINTS, ("GET", f"{JOBS}/not-a-uuid")])
def test_without_a_valid_token_every_job_endpoint_answers_401(
    app: ASGIApp, add_token: AddToken, header: str | None, method: str, path: str
) -> None:
    add_token("all", "analysis.run", "analysis.view")
    add_token("revoked", "analysis.run", "analysis.view", revoked="now() - interval '1 s'")
    add_token("expired", "analysis.run", "analysis.view", expires="now() - interval '1 s'")
    headers = {} if header is None else {"authorization": header}
    assert Api(app, token=None).told(method, path, headers=headers) == (401, "Missing or invalid token")


def test_a_token_that_expires_later_is_valid(app: ASGIApp, add_token: AddToken) -> None:
    token = add_token("later", "analysis.view", expires="now() + interval '1 h'")
    assert Api(app, token).get(f"{JOBS}/{UNKNOWN}").status_code == 404


@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
def test_a_token_without_the_capability_is_told_which_one_is_missing(
    app: ASGIApp, add_token: AddToken, method: str, path: str
) -> None:
    held, missing = ("run", "view") if method == "GET" else ("view", "run")
    assert Api(app, add_token("some", f"analysis.{held}")).told(method, path) == (
        403,
        f"Missing capabilities: analysis.{missing}",
    )


def test_a_new_job_is_pending_and_omits_what_it_does_not_have(api: Api) -> None:
    job = api.create("lake_inspect_v1")
    assert set(job) == {"id", "job_type", "status", "created_at", "updated_at", "progress"}
    assert (job["status"], job["created_at"][-6:]) == ("pending", "+00:00")
    assert job["progress"] == {"phase": "queued", "completed": 0, "total": None}
    assert api.get(f"{JOBS}/{job['id']}").json() == {"job": job}


@pytest.mark.parametrize("job_type", ["", "  "])
def test_a_blank_job_type_is_refused(api: Api, job_type: str) -> None:
    assert api.told("POST", JOBS, json={"job_type": job_type, "params": {}}) == (400, "job_type is required")


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        *((None, 415), ("text/plain", 415), ("application/x-www-form-urlencoded", 415)),
        *(("application/json; charset=utf-8", 200), ("Application/JSON", 200)),
    ],
)
def test_a_body_has_to_be_said_to_be_json(api: Api, content_type: str | None, status: int) -> None:
    headers = {} if content_type is None else {"content-type": content_type}
    assert api.post(JOBS, content=b'{"job_type":"noop_v1"}', headers=headers).status_code == status


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"[]", b"{}", b"\xff", b'{"job_type":7}', b'{"job_type":"noop\\u0000"}'),
        *(b'{"job_type":"noop_v1","params":[]}', b'{"job_type":"noop_v1","params":{"steps":NaN}}'),
        *(b'{"job_type":"noop_v1","job_key":1}', b'{"job_type":"noop_v1","dedupe":"yes"}'),
        b'{"job_type":"noop_v1","params":{"a":"\\u0000"}}',
    ],
)
def test_a_body_that_does_not_fit_is_refused_with_the_reason_in_plain_text(api: Api, body: bytes) -> None:
    answer = api.post(JOBS, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 422
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.text


@pytest.mark.parametrize(("method", "tail"), OF_A_JOB)
def test_an_id_that_is_none_and_one_that_is_unknown_are_told_apart(api: Api, method: str, tail: str) -> None:
    assert api.told(method, f"{JOBS}/not-a-uuid{tail}") == (400, "Invalid job id")
    assert api.told(method, f"{JOBS}/{UNKNOWN}{tail}") == (404, "Job not found")


def test_there_is_no_result_before_the_job_is_completed(api: Api) -> None:
    assert api.told("GET", f"{JOBS}/{api.create('noop_v1')['id']}/result") == (400, "Job is not completed")


def test_dedupe_returns_the_job_of_the_same_type_and_key(api: Api) -> None:
    def post(**body: Any) -> str:
        answer = api.post(JOBS, json={"job_type": "noop_v1", "params": {}} | body)
        assert answer.status_code == 200
        job: dict[str, str] = answer.json()["job"]
        assert job.get("job_key") == body.get("job_key")
        return job["id"]

    first = post(job_key="k", dedupe=True)
    assert post(job_key="k", dedupe=True) == first
    others = [
        post(job_key="k", dedupe=False),
        post(job_key="other", dedupe=True),
        post(job_key="k", dedupe=True, job_type="lake_inspect_v1"),
        *(post(job_key=None, dedupe=True) for _ in range(2)),
    ]
    assert len({first, *others}) == 6


def test_events_come_in_pages_with_ascending_ids(api: Api, store: JobStore) -> None:
    job_id, other = (api.create("noop_v1")["id"] for _ in range(2))
    for number in range(7):
        store.add_event(uuid.UUID(job_id), "progress", {"number": number})
        store.add_event(uuid.UUID(other), "progress", {})
    after, found = 0, []
    while page := api.get(f"{JOBS}/{job_id}/events", params={"after": after, "limit": 3}).json():
        if not page["events"]:
            break
        assert len(page["events"]) <= 3
        found += page["events"]
        after = page["next_after"]
    assert page == {"events": [], "next_after": None}
    assert [event["kind"] for event in found] == ["created"] + ["progress"] * 7
    assert [event["payload"].get("number") for event in found[1:]] == list(range(7))
    ids = [event["id"] for event in found]
    assert ids == sorted(set(ids))
    assert set(found[0]) == {"id", "created_at", "kind", "payload"}


@pytest.mark.parametrize(("limit", "given"), [("0", 1), ("1", 1), ("500", 500), ("501", 500), (None, 200)])
def test_a_page_has_between_1_and_500_events(api: Api, farm: FarmRows, limit: str | None, given: int) -> None:
    job_id = api.create("noop_v1")["id"]
    farm.connection.execute(
        "INSERT INTO analysis_job_events (job_id, kind) SELECT %s, 'progress' FROM generate_series(1, 600)",
        (job_id,),
    )
    page = api.get(f"{JOBS}/{job_id}/events", params={} if limit is None else {"limit": limit})
    assert len(page.json()["events"]) == given


def test_a_pending_job_is_canceled_at_once_and_stays_so(api: Api) -> None:
    job_id = api.create("noop_v1")["id"]
    canceled = api.post(f"{JOBS}/{job_id}/cancel").json()["job"]
    assert canceled["status"] == "canceled"
    assert "canceled_at" in canceled
    assert api.post(f"{JOBS}/{job_id}/cancel").json()["job"] == canceled
    events = api.get(f"{JOBS}/{job_id}/events").json()["events"]
    assert [event["kind"] for event in events] == ["created", "canceled"]


def test_over_the_rate_limit_the_client_is_told_how_long_to_wait() -> None:
    now = [1000.0]
    reached = []

    async def endpoint(scope: Any, _: Any, send: Any) -> None:
        reached.append(scope["method"])
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    app = RateLimitMiddleware(endpoint, TokenBuckets(clock=lambda: now[0]))
    client, other = Api(app, token=None), Api(app, token=None)
    for number in range(60):
        assert client.request(("POST", "PUT", "DELETE")[number % 3], "/").status_code == 204
    now[0] += 13.5
    refused = client.post("/")
    assert (refused.status_code, refused.text) == (429, "Too Many Requests! Wait for 7s")
    limits = ("retry-after", "x-ratelimit-after", "x-ratelimit-limit", "x-ratelimit-remaining")
    assert [refused.headers[name] for name in limits] == ["7", "7", "60", "0"]
    assert client.get("/").status_code == 204
    assert other.post("/").status_code == 204
    now[0] += 7
    assert client.post("/").status_code == 204
    assert client.post("/").status_code == 429
    now[0] += 10_000_000
    assert [client.post("/").status_code for _ in range(61)] == [204] * 60 + [429]


def test_the_rate_limit_comes_before_the_token(app: ASGIApp) -> None:
    api = Api(app, token=None)
    assert [api.post(JOBS).status_code for _ in range(61)] == [401] * 60 + [429]


def test_the_stand_in_for_qdrant_answers_health_and_collections_and_says_what_it_is() -> None:
    api = Api(create_qdrant_standin(), token=None)
    assert api.get("/healthz").text == "healthz check passed"
    assert api.get("/readyz").status_code == api.get("/livez").status_code == 200
    title = api.get("/").json()
    assert title["title"] == "qdrant - vector search engine"
    assert "stand-in" in title["version"]
    path = "/collections/sensor_similarity_v1"
    assert api.get(path).status_code == 404
    assert api.request("PUT", path, json={"vectors": {"value": {"size": 128}}}).json()["result"] is True
    assert api.get(path).json()["result"]["config"]["params"] == {"vectors": {"value": {"size": 128}}}
    assert api.get("/collections").json()["result"] == {"collections": [{"name": "sensor_similarity_v1"}]}
