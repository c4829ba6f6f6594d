"""The reference controller with promises broken on purpose.

``python -m tests.integration.conformance.mutant GROUP --port …`` starts it.

A group holds mutations that different cases must see; they do not hide each other.
"""

import sys
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from starlette.exceptions import HTTPException

from fixtures.controller import __main__ as controller
from fixtures.controller import api, handlers, jobs, parity, runner

Mutation = Callable[[], None]


def _put(place: object, name: str, value: object) -> None:
    setattr(place, name, value)


def _strangers_are_answered_otherwise() -> None:
    _put(api, "UNAUTHORIZED_TEXT", "Go away")


def _revoked_tokens_are_let_in() -> None:
    _put(
        api,
        "_CAPABILITIES_OF",
        "SELECT capabilities FROM api_tokens WHERE token_hash = %s AND expires_at IS NULL",
    )


def _view_is_enough_to_create() -> None:
    _put(api, "RUN_CAPABILITY", "analysis.view")


def _health_says_up() -> None:
    _put(api, "HEALTHZ_BODY", {"status": "up"})


def _unknown_jobs_are_gone() -> None:
    def find(self: api.JobsApi, request: Any) -> Any:
        row = self._store.find(api._job_id(request))
        if row is None:
            raise HTTPException(410, "Gone")
        return row

    _put(api.JobsApi, "_find", find)


def _any_content_type_is_read() -> None:
    understand = api._read_new_job
    _put(api, "_read_new_job", lambda _, body: understand("application/json", body))


def _misfits_are_bad_requests() -> None:
    def field(fields: Any, name: str, kind: type, default: Any) -> Any:
        value = fields.get(name)
        if value is not None and not isinstance(value, kind):
            raise HTTPException(400, "bad request")
        return default if value is None else value

    _put(api, "_field", field)


def _results_of_failed_jobs_are_empty() -> None:
    def result(self: api.JobsApi, request: Any, _: bytes) -> Any:
        job = self._find(request)
        return {"job_id": str(job["id"]), "result": self._store.result(job["id"])}

    _put(api.JobsApi, "_result", result)


def _absent_keys_are_null() -> None:
    write = jobs.job_json
    _put(api, "job_json", lambda row: {"job_key": None} | write(row))


def _instants_end_in_z() -> None:
    write = jobs.event_json
    _put(
        api, "event_json", lambda row: write(row) | {"created_at": write(row)["created_at"].replace("+00:00", "Z")}
    )


def _events_come_newest_first() -> None:
    _put(jobs, "_PAGE_OF_EVENTS", jobs._PAGE_OF_EVENTS.replace("ORDER BY id", "ORDER BY id DESC"))


def _pages_have_no_end() -> None:
    _put(api, "EVENTS_MOST", 10**6)


def _terminal_jobs_are_touched_by_a_cancel() -> None:
    ask = jobs.JobStore.request_cancel

    def request_cancel(self: jobs.JobStore, job_id: Any) -> Any:
        row = ask(self, job_id)
        if row is None or row["status"] not in {"completed", "failed", "canceled"}:
            return row
        with self._database.session() as connection:
            return connection.execute(jobs._REQUEST_CANCEL, (job_id,)).fetchone()

    _put(jobs.JobStore, "request_cancel", request_cancel)


def _pending_jobs_are_only_asked() -> None:
    def request_cancel(self: jobs.JobStore, job_id: Any) -> Any:
        with self._database.session() as connection:
            return connection.execute(jobs._REQUEST_CANCEL, (job_id,)).fetchone()

    _put(jobs.JobStore, "request_cancel", request_cancel)


def _running_jobs_complete_when_canceled() -> None:
    def check(self: runner.JobContext) -> None:
        if self._stopping.is_set():
            raise runner.ControllerStoppingError

    def noop(context: runner.JobContext, _: Any) -> Any:
        while not context._store.cancel_requested(context._job_id):
            context.check()
            context.pause(0.05)
        return {"job_type": handlers.NOOP_JOB}

    _put(runner.JobContext, "check", check)
    _put(handlers, "_noop", noop)


def _newest_is_claimed_first() -> None:
    _put(
        jobs,
        "_CLAIM_OLDEST",
        jobs._CLAIM_OLDEST.replace("ORDER BY created_at, id", "ORDER BY created_at DESC, id"),
    )


def _keys_are_ignored() -> None:
    _put(jobs, "_FIND_SAME_KEY", jobs._FIND_SAME_KEY.replace("WHERE", "WHERE false AND"))


def _days_are_taken_as_they_are() -> None:
    _put(handlers, "_days", lambda asked: asked if isinstance(asked, int) and asked >= 0 else 30)


def _errors_are_told_wrongly() -> None:
    class Failed(runner.JobFailedError):
        def __init__(self, code: str, message: str, _details: Any = None) -> None:
            super().__init__("invalid_params" if code == "invalid_window" else code, message)

    _put(parity, "JobFailedError", Failed)


def _samples_are_the_last_sensors() -> None:
    _put(parity, "_SAMPLE", parity._SAMPLE.replace('COLLATE "C"', 'COLLATE "C" DESC'))


def _unknown_ids_do_not_match() -> None:
    count = parity._count_postgres

    def counted(database: Any, sensors: Any, window: Any) -> dict[str, int]:
        return {sensor: rows or 1 for sensor, rows in count(database, sensors, window).items()}

    _put(parity, "_count_postgres", counted)


def _windows_are_not_clamped() -> None:
    _put(parity, "_clamp", lambda window, _: window)


def _unknown_types_complete() -> None:
    handle = runner.Runner._handle

    def handled(self: runner.Runner, job: Any) -> Any:
        return handle(self, job) if job["job_type"] in self._handlers else {}

    _put(runner.Runner, "_handle", handled)


def _refusals_have_no_headers() -> None:
    refuse = api._refusal

    def refusal(wait: float) -> Any:
        answer = refuse(wait)
        del answer.headers["x-ratelimit-after"]
        return answer

    _put(api, "_refusal", refusal)


def _the_burst_is_short() -> None:
    _put(api, "POST_BURST", 30)


MUTATIONS: Mapping[str, tuple[Mutation, ...]] = {
    "answers": (
        _strangers_are_answered_otherwise,
        _revoked_tokens_are_let_in,
        _view_is_enough_to_create,
        _health_says_up,
        _unknown_jobs_are_gone,
        _any_content_type_is_read,
        _misfits_are_bad_requests,
        _results_of_failed_jobs_are_empty,
        _instants_end_in_z,
    ),
    "history": (_absent_keys_are_null, _events_come_newest_first, _refusals_have_no_headers),
    "pages": (_pages_have_no_end, _terminal_jobs_are_touched_by_a_cancel, _keys_are_ignored, _the_burst_is_short),
    "workers": (_pending_jobs_are_only_asked, _running_jobs_complete_when_canceled, _errors_are_told_wrongly),
    "order": (_newest_is_claimed_first,),
    "work": (
        _days_are_taken_as_they_are,
        _samples_are_the_last_sensors,
        _unknown_ids_do_not_match,
        _windows_are_not_clamped,
        _unknown_types_complete,
    ),
}


def main() -> NoReturn:
    for mutate in MUTATIONS[sys.argv.pop(1)]:
        mutate()
    sys.exit(controller.main())


if __name__ == "__main__":
    main()
