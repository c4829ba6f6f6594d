"""The reference controller with promises broken on purpose.

``python -m tests.integration.conformance.mutant GROUP --port …`` starts it.

A group holds mutations that different cases must see; they do not hide each other.
"""

import sys
from collections.abc import Mapping
from typing import Any, NoReturn

from starlette.exceptions import HTTPException

from fixtures.controller import __main__ as controller
from fixtures.controller import api, handlers, jobs, parity, runner

Mutation = tuple[object, str, object]
"""A place, a name there, and the wrong thing to put under it."""

_CAPABILITIES = "SELECT capabilities FROM api_tokens WHERE token_hash = %s"
_view_job, _view_event, _page = jobs.job_json, jobs.event_json, api.JobsApi._events
_understand, _refuse = api._read_new_job, api._refusal
_count, _handle, _cancel = parity._count_postgres, runner.Runner._handle, jobs.JobStore.request_cancel


def _find_or_gone(self: api.JobsApi, request: Any) -> Any:
    row = self._store.find(api._job_id(request))
    if row is None:
        raise HTTPException(410, "Gone")
    return row


def _misfit_is_a_bad_request(fields: Any, name: str, kind: type, default: Any) -> Any:
    value = fields.get(name)
    if value is not None and not isinstance(value, kind):
        raise HTTPException(400, "bad request")
    return default if value is None else value


def _result_whatever_the_status(self: api.JobsApi, request: Any, _: bytes) -> Any:
    job = self._find(request)
    return {"job_id": str(job["id"]), "result": self._store.result(job["id"])}


def _event_in_z(row: Any) -> Any:
    event = _view_event(row)
    return event | {"created_at": event["created_at"].replace("+00:00", "Z")}


def _empty_page_begins_again(self: api.JobsApi, request: Any, _: bytes) -> Any:
    page = _page(self, request, _)
    return page if page["events"] else page | {"next_after": api._query_integer(request, "after", 0)}


def _only_ask_to_cancel(self: jobs.JobStore, job_id: Any) -> Any:
    with self._database.session() as connection:
        return connection.execute(jobs._REQUEST_CANCEL, (job_id,)).fetchone()


def _touch_the_terminal(self: jobs.JobStore, job_id: Any) -> Any:
    row = _cancel(self, job_id)
    if row is None or row["status"] not in {"completed", "failed", "canceled"}:
        return row
    return _only_ask_to_cancel(self, job_id)


def _check_for_a_stop_alone(self: runner.JobContext) -> None:
    if self._stopping.is_set():
        raise runner.ControllerStoppingError


def _complete_when_canceled(context: runner.JobContext, _: Any) -> Any:
    while not context._store.cancel_requested(context._job_id):
        context.check()
        context.pause(0.05)
    return {"job_type": handlers.NOOP_JOB}


class _ToldWronglyError(runner.JobFailedError):
    def __init__(self, code: str, message: str, _details: Any = None) -> None:
        super().__init__("invalid_params" if code == "invalid_window" else code, message)


def _count_one_at_least(database: Any, sensors: Any, window: Any) -> dict[str, int]:
    return {sensor: rows or 1 for sensor, rows in _count(database, sensors, window).items()}


def _complete_unknown_types(self: runner.Runner, job: Any) -> Any:
    return _handle(self, job) if job["job_type"] in self._handlers else {}


def _refuse_without_a_header(wait: float) -> Any:
    answer = _refuse(wait)
    del answer.headers["x-ratelimit-after"]
    return answer


def _reworded(place: object, name: str, old: str, new: str) -> Mutation:
    return place, name, getattr(place, name).replace(old, new)


MUTATIONS: Mapping[str, tuple[Mutation, ...]] = {
    "answers": (
        (api, "UNAUTHORIZED_TEXT", "Go away"),
        # revoked tokens are let in
        (api, "_CAPABILITIES_OF", f"{_CAPABILITIES} AND expires_at IS NULL"),
        (api, "RUN_CAPABILITY", "analysis.view"),
        (api, "HEALTHZ_BODY", {"status": "up"}),
        (api.JobsApi, "_find", _find_or_gone),
        (api, "_read_new_job", lambda _, body: _understand("application/json", body)),
        (api, "_field", _misfit_is_a_bad_request),
        (api.JobsApi, "_result", _result_whatever_the_status),
        (api, "event_json", _event_in_z),
    ),
    "history": (
        (api, "job_json", lambda row: {"job_key": None} | _view_job(row)),
        _reworded(jobs, "_PAGE_OF_EVENTS", "ORDER BY id", "ORDER BY id DESC"),
        (api, "_refusal", _refuse_without_a_header),
    ),
    "pages": (
        (api, "EVENTS_MOST", 10**6),
        (jobs.JobStore, "request_cancel", _touch_the_terminal),
        _reworded(jobs, "_FIND_SAME_KEY", "WHERE", "WHERE false AND"),
        (api, "POST_BURST", 30),
        (api.JobsApi, "_events", _empty_page_begins_again),
    ),
    "workers": (
        (jobs.JobStore, "request_cancel", _only_ask_to_cancel),
        # a running job completes when it is canceled
        (runner.JobContext, "check", _check_for_a_stop_alone),
        (handlers, "_noop", _complete_when_canceled),
        (parity, "JobFailedError", _ToldWronglyError),
    ),
    "order": (_reworded(jobs, "_CLAIM_OLDEST", "ORDER BY created_at, id", "ORDER BY created_at DESC, id"),),
    "work": (
        (handlers, "_days", lambda asked: asked if isinstance(asked, int) and asked >= 0 else 30),
        _reworded(parity, "_SAMPLE", 'COLLATE "C"', 'COLLATE "C" DESC'),
        (parity, "_count_postgres", _count_one_at_least),
        (parity, "_clamp", lambda window, _: window),
        (runner.Runner, "_handle", _complete_unknown_types),
    ),
}


def main() -> NoReturn:
    for place, name, value in MUTATIONS[sys.argv.pop(1)]:
        setattr(place, name, value)
    sys.exit(controller.main())


if __name__ == "__main__":
    main()
