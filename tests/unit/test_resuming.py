"""What `--resume` takes over of an earlier run: days that still are as they were proven."""

from collections.abc import Iterator
from contextlib import nullcontext
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from tests.support.builders import (
    WATERMARK,
    WINDOW,
    count_row,
    lake_sealed,
    replication,
    run_started,
    stack_described,
)
from tsse_validation.domain.coverage import Coverage, Scope
from tsse_validation.domain.instants import DAY, MICROSECOND, day_start
from tsse_validation.domain.windows import Window
from tsse_validation.runlog.database_record import DatabaseSeen
from tsse_validation.runlog.log import RunLog
from tsse_validation.runlog.records import CountsTaken, Note, ReplicationSeen
from tsse_validation.runlog.redaction import Redactor
from tsse_validation.settings.definitions import Settings
from tsse_validation.steps.proving import count_days

if TYPE_CHECKING:
    from tsse_validation.parity.direct import DirectProof
    from tsse_validation.steps.progress import ProgressReporter
    from tsse_validation.steps.run import ValidationRun

PROVEN = date(2026, 1, 10)
WHOLE = Window(day_start(PROVEN), day_start(PROVEN) + DAY - MICROSECOND)
DATABASE = {"server": "h:5432/farm", "address": None, "database": "farm", "role": "r", "version": "16"}


def log_of(directory: Path, job_id: str | None) -> Path:
    """Write the log of a run that has proven one day, after a backfill up to `WATERMARK`."""
    path = directory / "run.jsonl"
    log = RunLog(path, Redactor())
    seen = DatabaseSeen.model_validate(DATABASE | {"tables_in": "public", "standby": False, "job_id": job_id})
    looked = {"at": WATERMARK, "source": "state_file", "age_seconds": 60.0, "age_limit_seconds": 420.0}
    row = count_row("a", 10, 10, day=PROVEN)
    for record in (
        run_started(),
        stack_described(strict=False),
        seen,
        ReplicationSeen.model_validate(looked | {"state": replication()}),
        CountsTaken(source="direct", window=WHOLE, level="digest", rows=(row,)),
    ):
        log.append(record)
    log.close()
    return path


@pytest.mark.parametrize(
    ("job_id", "since", "taken", "said"),
    [
        ("a job", timedelta(0), True, "1 days were not compared again"),
        ("a job", timedelta(hours=1), False, "a backfill has replaced the lake's files since"),
        (None, timedelta(0), False, "had not proven that the database was the controller's"),
    ],
)
def test_days_are_taken_over_only_of_the_same_files_and_of_the_controllers_own_database(
    job_id: str | None, since: timedelta, taken: bool, said: str, tmp_path: Path
) -> None:
    records: list[Any] = []
    compared: list[Scope] = []
    run = SimpleNamespace(
        settings=Settings(resume=log_of(tmp_path, job_id)),
        stack=SimpleNamespace(base_url="http://127.0.0.1:8000"),
        record=lambda *some: records.extend(some),
    )

    def compare_in_slices(scope: Scope, **_: Any) -> Iterator[Any]:
        compared.append(scope)
        return iter(())

    proof = SimpleNamespace(compare_in_slices=compare_in_slices)
    progress = SimpleNamespace(track=lambda _what: nullcontext(lambda *_, **__: None))
    covered = Scope(WINDOW, Coverage(WINDOW.start, WATERMARK + since, WATERMARK + since))
    rows = count_days(
        cast("ValidationRun", run), cast("DirectProof", proof), covered, cast("ProgressReporter", progress)
    )
    assert [row.day for row in rows] == ([PROVEN] if taken else [])
    assert any(PROVEN in set(scope.window.days()) for scope in compared) is not taken
    assert said in " ".join(record.text for record in records if isinstance(record, Note))


def test_no_day_is_taken_over_of_a_run_whose_lake_was_told_by_a_seal(tmp_path: Path) -> None:
    path = log_of(tmp_path, "a job")
    with path.open("a", encoding="utf-8") as log:
        log.write(lake_sealed(left=1).model_dump_json() + "\n")
    records: list[Any] = []
    run = SimpleNamespace(
        settings=Settings(resume=path),
        stack=SimpleNamespace(base_url="http://127.0.0.1:8000"),
        record=lambda *some: records.extend(some),
    )
    proof = SimpleNamespace(compare_in_slices=lambda *_, **__: iter(()))
    progress = SimpleNamespace(track=lambda _what: nullcontext(lambda *_, **__: None))
    covered = Scope(WINDOW, Coverage(WINDOW.start, WATERMARK, WATERMARK))
    assert not count_days(
        cast("ValidationRun", run), cast("DirectProof", proof), covered, cast("ProgressReporter", progress)
    )
    assert "had the lake told by a seal" in " ".join(one.text for one in records if isinstance(one, Note))
