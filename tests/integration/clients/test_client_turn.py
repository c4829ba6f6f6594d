"""Whose turn a backfill is, where two start in the same moment, and what becomes of a lock file."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from tests.integration.clients.conftest import Bench
from tests.integration.clients.hostile import Reply, document, text
from tests.support.builders import a_job
from tsse_validation.clients.snapshot import ActiveJob
from tsse_validation.clients.turn import backfill_turn
from tsse_validation.domain.contract import BACKFILL_JOB, INSPECT_JOB, PARITY_JOB, Job
from tsse_validation.domain.errors import AccessError, NotCheckedError, PromiseBrokenError
from tsse_validation.steps.backfilling import start_backfill

if TYPE_CHECKING:
    from tsse_validation.clients.postgres import PostgresClient

MakeBench = Callable[..., Bench]
OURS = a_job(BACKFILL_JOB, status="running")
THEIRS = ActiveJob("b77ef24e-66fe-4c93-a1c2-755b7f140b41", BACKFILL_JOB, "running", OURS.created_at, 0.0)


LEFTOVER_AFTER = 30.0


def standing(seconds: float, status: str = "running") -> ActiveJob:
    return ActiveJob(THEIRS.id, BACKFILL_JOB, status, THEIRS.created_at, seconds, "3 of 91")


class Table:
    """Stands for `analysis_jobs`: each look finds what is next, the last for ever; an error is raised."""

    def __init__(self, *looks: list[ActiveJob] | AccessError) -> None:
        self._looks = list(looks)

    @contextmanager
    def snapshot(self) -> Iterator["Table"]:
        yield self

    def active_lake_jobs(self) -> list[ActiveJob]:
        look = self._looks.pop(0) if len(self._looks) > 1 else self._looks[0]
        if isinstance(look, AccessError):
            raise look
        return list(look)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tsse_validation.clients.turn.cache_directory", lambda: tmp_path / "cache")
    return tmp_path / "cache"


def turn_of(made: Bench, table: Table | None = None, said: list[str] | None = None, **more: Any) -> Any:
    return backfill_turn(
        made.core,
        cast("PostgresClient | None", table),
        timeout=60,
        pause=5,
        say=(said if said is not None else []).append,
        leftover_after=LEFTOVER_AFTER,
        clock=made.clock,
        sleep=made.clock.sleep,
        **more,
    )


def polled(status: str) -> Reply:
    return document({"job": a_job(BACKFILL_JOB, status=status).model_dump(mode="json", exclude_none=True)})


def created(made: Bench) -> Job:
    return made.core.create_job(BACKFILL_JOB, {"days": 90, "replace_existing": True}, purpose="backfill")


def test_a_turn_is_waited_for_until_the_lake_is_quiet(bench: MakeBench) -> None:
    made, said = bench(text(404, "")), list[str]()
    with turn_of(made, Table([THEIRS], [THEIRS], []), said) as turn:
        assert turn.unseen is None
    assert made.clock.sleeps == [5, 5]
    assert said == []
    (wait,) = made.waits
    assert wait.startswith(f"waiting up to 60 s for the {BACKFILL_JOB} job {THEIRS.id}, running since ")


def test_a_job_that_a_crash_has_left_is_named_and_not_waited_for(bench: MakeBench) -> None:
    made, said = bench(text(404, "")), list[str]()
    with turn_of(made, Table([standing(86_400)]), said) as turn:
        assert list(turn.left_over) == [THEIRS.id]
    assert made.clock.sleeps == []
    (line,) = said
    for words in (THEIRS.id, "left over", "stood still at 3 of 91 for 86,400 s", "--leftover-after"):
        assert words in line


def test_a_running_job_is_waited_for_until_it_has_stood_still_for_long(bench: MakeBench) -> None:
    made, said = bench(text(404, "")), list[str]()
    with turn_of(made, Table([standing(20)], [standing(25)], [standing(30)]), said):
        assert made.clock.sleeps == [5, 5]
    assert [line.split()[0] for line in (*made.waits, *said)] == ["waiting", "The"]


def test_a_job_that_moves_again_is_not_left_over(bench: MakeBench) -> None:
    made = bench(text(404, ""))
    with turn_of(made, Table([THEIRS, standing(0)], [standing(1)], [])) as turn:
        assert turn.left_over == {}


def test_a_job_that_waits_its_turn_is_never_left_over(bench: MakeBench) -> None:
    made = bench(text(404, ""))
    with pytest.raises(NotCheckedError, match="pending since"), turn_of(made, Table([standing(9_999, "pending")])):
        pytest.fail("it had its turn")


def test_what_a_crash_has_left_does_not_withdraw_ours(bench: MakeBench) -> None:
    made = bench(polled("pending"))
    with turn_of(made, Table([standing(9_999)])) as turn:
        job = created(made)
        turn.started(job)
        turn.hold_alone(job)
    assert len(made.server.requests) == 1


def test_where_the_table_does_not_tell_a_running_job_is_watched_by_the_api(bench: MakeBench) -> None:
    made, said = bench(*[polled("running")] * 40), list[str]()
    untold = ActiveJob(THEIRS.id, BACKFILL_JOB, "running", THEIRS.created_at)
    with turn_of(made, Table([untold]), said) as turn:
        assert list(turn.left_over) == [THEIRS.id]
    assert sum(made.clock.sleeps) == LEFTOVER_AFTER


def test_by_the_api_alone_the_backfill_we_left_is_watched_until_it_has_stood_still(bench: MakeBench) -> None:
    made, said = bench(*[polled("running")] * 40), list[str]()
    with turn_of(made) as turn:
        turn.started(created(made))
    with turn_of(made, said=said) as turn:
        assert list(turn.left_over) == [OURS.id]
    assert sum(made.clock.sleeps) == LEFTOVER_AFTER


@pytest.mark.parametrize("job_type", [PARITY_JOB, INSPECT_JOB, BACKFILL_JOB, "lake_compaction_v1"])
def test_a_job_that_stays_active_is_named_at_the_deadline(job_type: str, bench: MakeBench) -> None:
    made = bench(text(404, ""))
    theirs = ActiveJob(THEIRS.id, job_type, "pending", THEIRS.created_at)
    with (
        pytest.raises(NotCheckedError, match=f"the {job_type} job {THEIRS.id}, pending since"),
        turn_of(made, Table([theirs])),
    ):
        pytest.fail("it had its turn")
    assert sum(made.clock.sleeps) == 60


def test_of_two_that_start_in_the_same_moment_ours_is_withdrawn(bench: MakeBench) -> None:
    made = bench(polled("pending"), polled("canceled"))
    ours = ActiveJob(OURS.id, BACKFILL_JOB, "pending", OURS.created_at)
    with turn_of(made, Table([], [THEIRS, ours])) as turn:
        job = created(made)
        turn.started(job)
        with pytest.raises(NotCheckedError, match="was withdrawn"):
            turn.hold_alone(job)
    assert [sent.path for sent in made.server.requests][1:] == [f"/api/analysis/jobs/{OURS.id}/cancel"]


def test_a_backfill_that_was_started_while_the_losses_were_looked_at_keeps_ours_from_starting(
    bench: MakeBench,
) -> None:
    made = bench(polled("pending"))
    with (
        turn_of(made, Table([], [THEIRS])) as turn,
        pytest.raises(NotCheckedError, match="No backfill was started"),
    ):
        start_backfill(turn, made.core, 3, replace_existing=True)
    assert made.server.requests == []


def test_beside_jobs_that_only_look_ours_goes_on(bench: MakeBench) -> None:
    made = bench(polled("pending"))
    ours = ActiveJob(OURS.id, BACKFILL_JOB, "pending", OURS.created_at)
    looking = ActiveJob(THEIRS.id, INSPECT_JOB, "running", THEIRS.created_at, 0.0)
    with turn_of(made, Table([], [ours, looking])) as turn:
        job = created(made)
        turn.started(job)
        turn.hold_alone(job)
    assert len(made.server.requests) == 1


def test_a_table_that_may_not_be_read_is_said_and_keeps_nobody(bench: MakeBench) -> None:
    with turn_of(bench(text(404, "")), Table(AccessError("permission denied for table analysis_jobs."))) as turn:
        assert turn.unseen == "permission denied for table analysis_jobs"


def test_without_a_table_it_is_said_that_nothing_was_seen(bench: MakeBench) -> None:
    with turn_of(bench(text(404, ""))) as turn:
        assert "the API lists no jobs" in turn.unseen


@pytest.mark.parametrize(("status", "waits"), [("completed", False), ("running", True)])
def test_the_backfill_that_was_left_is_asked_for_by_its_id(
    status: str, waits: bool, bench: MakeBench, cache: Path
) -> None:
    # it is looked at twice each time: whether it is there, and how it is
    made = bench(polled("running"), polled(status), polled(status), polled("completed"))
    with turn_of(made) as turn:
        turn.started(created(made))  # its end is not seen
    (left,) = cache.iterdir()
    assert json.loads(left.read_text())["job_id"] == OURS.id
    with turn_of(made):
        assert bool(made.clock.sleeps) is waits
    assert list(cache.iterdir()) == []


def test_a_controller_that_tells_nothing_of_the_old_backfill_gets_no_second(bench: MakeBench, cache: Path) -> None:
    made = bench(polled("running"), text(500, "oh dear"))
    with turn_of(made) as turn:
        turn.started(created(made))
    with pytest.raises(PromiseBrokenError, match="500"), turn_of(made):
        pytest.fail("it had its turn")
    assert len(list(cache.iterdir())) == 1


def test_a_backfill_that_the_controller_has_forgotten_keeps_nobody(bench: MakeBench, cache: Path) -> None:
    made = bench(polled("running"), text(404, "Job not found"))
    with turn_of(made) as turn:
        turn.started(created(made))
    with turn_of(made) as turn:
        assert made.clock.sleeps == []
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"job_id": null}', '{"job_id": 5}'])
def test_a_lock_file_with_anything_in_it_is_taken_over(content: str, bench: MakeBench, cache: Path) -> None:
    made = bench(polled("running"))
    with turn_of(made):
        (path,) = cache.iterdir()
    path.write_text(content)
    with turn_of(made):
        assert json.loads(path.read_text())["job_id"] is None
    assert list(cache.iterdir()) == []


def test_a_turn_is_one_runs_at_a_time_and_one_controllers(bench: MakeBench) -> None:
    made, other = bench(text(404, "")), bench(text(404, ""))
    with turn_of(made):
        with pytest.raises(NotCheckedError, match="by another run of this user"), turn_of(made):
            pytest.fail("two had their turn")
        with turn_of(other), turn_of(made, alone=True):
            pass
    with turn_of(made):
        pass


def test_a_cache_that_cannot_be_written_is_told(bench: MakeBench, cache: Path) -> None:
    cache.write_text("a file in its place")
    with pytest.raises(AccessError, match="cannot be written") as caught, turn_of(bench(text(404, ""))):
        pytest.fail("it had its turn")
    assert "XDG_CACHE_HOME" in caught.value.advice
