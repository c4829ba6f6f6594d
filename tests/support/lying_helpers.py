"""The stand-ins of the helpers, each with something wrong: `python -m tests.support.lying_helpers LIES HELPER …`.

LIES are names of `LIES` with commas between, one perhaps with an argument behind a colon.
"""

import json
import sys
import time
from collections.abc import Callable
from typing import NoReturn

from fixtures.helpers import tsse_lake_backfill, tsse_lake_inspector, tsse_lake_parity_check
from fixtures.helpers.helper_api import Api, Json

_PROGRAMS = (tsse_lake_inspector, tsse_lake_backfill, tsse_lake_parity_check)
_MAINS: dict[str, Callable[[], object]] = {module.__name__.rpartition(".")[2]: module.main for module in _PROGRAMS}


def _replace(owner: object, name: str, by: Callable[..., object]) -> None:
    setattr(owner, name, by)


def an_older_watermark() -> None:
    def result(api: Api, job_id: str, honest: Callable[[Api, str], Json] = Api.result) -> Json:
        said = honest(api, job_id)
        if "inspection" not in said["result"]:
            return said
        dataset = said["result"]["inspection"]["datasets"]["metrics/v1"]
        said["result"]["inspection"]["replication"]["last_inserted_at"] = "2026-01-01T00:00:00+00:00"
        dataset["computed_through_ts"] = "2026-01-01T00:00:00+00:00"
        return said

    _replace(Api, "result", result)


def a_date_less() -> None:
    def say(job: Json, honest: Callable[[Json], None] = tsse_lake_backfill.say) -> None:
        if job["status"] == "completed":
            job["progress"]["completed"] -= 1
        honest(job)

    tsse_lake_backfill.say = say


def no_mismatch() -> None:
    def say(
        result: Json, job_id: str, report: str | None, honest: Callable[..., None] = tsse_lake_parity_check.say
    ) -> None:
        result["mismatches"] = 0
        result["report_markdown"] = result["report_markdown"].replace("❌", "✅")
        honest(result, job_id, report)

    tsse_lake_parity_check.say = say


def other_counts() -> None:
    def say(
        result: Json, job_id: str, report: str | None, honest: Callable[..., None] = tsse_lake_parity_check.say
    ) -> None:
        result["mismatches"] += 1
        result["report_markdown"] = result["report_markdown"].replace(" | ✅ |", "1 | ✅ |", 1)
        honest(result, job_id, report)

    tsse_lake_parity_check.say = say


def exit_code_3() -> None:
    for name, main in list(_MAINS.items()):

        def fail_after(honest: Callable[[], object] = main) -> NoReturn:
            honest()
            sys.exit(3)

        _MAINS[name] = fail_after


def the_token() -> None:
    def of(api: Api, *given: str | None, honest: Callable[..., None] = Api.__init__) -> None:
        honest(api, *given)
        sys.stderr.write(f"using the token {api._token}\n")

    _replace(Api, "__init__", of)


def two_backfills() -> None:
    def create(
        api: Api, job_type: str, params: Json, *, trying: str = "", honest: Callable[..., Json] = Api.create
    ) -> Json:
        if job_type == "lake_backfill_v1":
            honest(api, job_type, params, trying=trying)
        return honest(api, job_type, params, trying=trying)

    _replace(Api, "create", create)


def an_earlier_job(job_id: str) -> None:
    def create(
        api: Api, job_type: str, params: Json, *, trying: str = "", honest: Callable[..., Json] = Api.create
    ) -> Json:
        if job_type != "lake_backfill_v1":
            return honest(api, job_type, params, trying=trying)
        return api.job(job_id)

    _replace(Api, "create", create)


def another_option() -> None:
    def main() -> NoReturn:
        sys.stderr.write(
            "error: unexpected argument '--poll-seconds' found\n\nUsage: tsse_lake_backfill [OPTIONS]\n"
        )
        sys.exit(2)

    _MAINS["tsse_lake_backfill"] = main


def another_form() -> None:
    _MAINS["tsse_lake_parity_check"] = lambda: sys.stdout.write(json.dumps({"ok": True}))


def no_end() -> None:
    _MAINS["tsse_lake_parity_check"] = lambda: time.sleep(3600)


LIES: dict[str, Callable[..., None]] = {
    lie.__name__: lie
    for lie in (
        *(an_older_watermark, a_date_less, no_mismatch, other_counts, exit_code_3, the_token, two_backfills),
        *(an_earlier_job, another_option, another_form, no_end),
    )
}

if __name__ == "__main__":
    lies, helper = sys.argv[1:3]
    del sys.argv[1:3]
    for lie in lies.split(","):
        name, _, argument = lie.partition(":")
        LIES[name](*([argument] if argument else []))
    _MAINS[helper]()
