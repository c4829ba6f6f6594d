"""A soak that was interrupted is gone on with: what it saw counts, a breach too; the time between does not."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from tests.support.builders import run_started, stack_described
from tests.support.report_builders import result
from tests.support.soak_world import BEGIN, World, WorldProver, soak_in
from tests.support.soaked import BEGAN, LIMIT, due_slice, eventful, quiet, soak_began, soak_seen
from tsse_validation.domain.durations import Duration
from tsse_validation.domain.errors import NotCheckedError
from tsse_validation.runlog.log import RunLog
from tsse_validation.runlog.record_base import Record
from tsse_validation.runlog.records import Note
from tsse_validation.runlog.redaction import Redactor
from tsse_validation.runlog.result import RunResult
from tsse_validation.runlog.soak_records import SoakEvent, SoakGap, SoakSample
from tsse_validation.settings.definitions import Settings
from tsse_validation.steps.resuming import earlier_run
from tsse_validation.steps.soak_resuming import LONGEST_PAUSE, earlier_soak, take_over, why_not
from tsse_validation.steps.soaking import SoakOrder

if TYPE_CHECKING:
    from tsse_validation.steps.run import ValidationRun

HOUR = 3_600.0


def interrupted(after: float, stuck_at: float | None = None) -> RunResult:
    """Return a soak of five hours that was interrupted; `stuck_at`: replication stood still for 20 minutes."""
    world = World()
    if stuck_at is not None:
        world.set(stuck_at, replicates=False)
        world.set(stuck_at + 1_200, replicates=True)

    def interrupt() -> None:
        raise KeyboardInterrupt

    world.at(after, interrupt)
    with pytest.raises(KeyboardInterrupt):
        soak_in(world, "5h", pace=60.0, prover=WorldProver(world))
    return result(run_started(), *world.records)


def gone_on_with(first: RunResult, at: float) -> RunResult:
    """Return what the log of a run holds that goes on with a soak, so many seconds after that began."""
    world = World(passed=at, mark_at=at - 90)
    earlier = earlier_soak(first, world.wall())
    world.records.extend(earlier.records)
    order = SoakOrder(Duration.parse("5h"), LIMIT, 900.0, earlier)
    soak_in(world, order=order, pace=60.0, prover=WorldProver(world, BEGIN + timedelta(seconds=at - 90)))
    return result(run_started(), *world.records)


def test_a_soak_goes_on_for_the_rest_of_the_time_and_counts_what_was_seen_before() -> None:
    first = interrupted(3 * HOUR)
    assert first.soak_seen is not None
    assert first.soak_seen.ended == "interrupted"
    assert first.soak_seen.proven_seconds == pytest.approx(3 * HOUR, abs=70)
    second = gone_on_with(first, 4 * HOUR)
    seen, began = second.soak_seen, second.soak_began
    assert seen is not None
    assert began is not None
    assert began.earlier_run == first.started.run_id
    assert seen.ended == "completed"
    # the hour between both is no part of the time: two were left
    assert seen.seconds == pytest.approx(2 * HOUR, abs=150)
    assert seen.proven_seconds == pytest.approx(5 * HOUR, abs=150)
    assert seen.samples == sum(sample.stands_for for sample in second.soak_samples)
    assert seen.rows_proven == sum(slice_.new_rows for slice_ in second.soak_slices if slice_.kind == "due")
    assert seen.rows_proven > first.soak_seen.rows_proven
    assert sum(seen.ages.values()) == seen.samples


def test_the_time_between_both_runs_is_told_as_a_gap_that_proves_nothing() -> None:
    first = interrupted(2 * HOUR)
    second = gone_on_with(first, 3 * HOUR)
    assert first.soak_seen is not None
    (gap,) = second.soak_gaps
    assert (gap.start, gap.end) == (first.soak_seen.at, BEGIN + timedelta(seconds=3 * HOUR))
    assert gap.age_at_most_seconds is not None
    assert gap.age_at_most_seconds > HOUR
    assert first.started.run_id in gap.text


def test_an_earlier_breach_stays_one_and_ends_the_soak_at_once() -> None:
    first = interrupted(2 * HOUR, stuck_at=HOUR)
    second = gone_on_with(first, 3 * HOUR)
    assert second.soak_seen is not None
    assert (second.soak_seen.breaches, second.soak_breaches) == (1, first.soak_breaches)
    assert second.soak_seen.seconds < 300


def test_a_breach_that_is_told_after_the_last_total_counts() -> None:
    of = result(
        run_started(), *quiet(), *(one for one in eventful() if one.model_dump()["record"] == "soak_breach")
    )
    assert earlier_soak(of, BEGAN + timedelta(hours=1)).figures.breaches == 1


def test_samples_that_no_total_counts_are_not_copied() -> None:
    first = interrupted(2 * HOUR)
    assert first.soak_seen is not None
    cut = first.model_copy(
        update={"soak_seen": first.soak_seen.model_copy(update={"at": BEGIN + timedelta(seconds=HOUR)})}
    )
    copied = earlier_soak(cut, BEGIN + timedelta(seconds=3 * HOUR)).records
    moments = [one.at for one in copied if isinstance(one, SoakSample)]
    assert max(moments) <= BEGIN + timedelta(seconds=HOUR) < max(one.at for one in first.soak_samples)


def test_what_an_earlier_soak_held_against_the_release_is_held_against_it_still() -> None:
    def event(kind: str, text: str) -> SoakEvent:
        return SoakEvent.model_validate({"at": BEGAN, "kind": kind, "text": text})

    of = result(
        run_started(),
        soak_began(600),
        due_slice(60, differing=3),
        event("state_went_back", "the watermark went back to …"),
        event("state_went_back", "the replication state is older than before"),
        event("file_counts", "shard 3: 18 files"),
        event("temporary_files", "x.tmp stays"),
        soak_seen(600, 300, 60, ended="interrupted"),
    )
    found = earlier_soak(of, BEGAN + timedelta(hours=1))
    assert found.slices["due"].differing == 3
    assert found.figures.retreats == 1
    assert (found.crowded, found.stayed) == (
        ("shard 3: 18 files",),
        ("x.tmp stays",),
    )


@pytest.mark.parametrize(
    ("records", "limit", "later", "why"),
    [
        ([], LIMIT, timedelta(0), "it had none"),
        ([soak_began(600)], LIMIT, timedelta(0), "it had none, or it left nothing"),
        (list(quiet()), LIMIT, timedelta(0), "it had come to its end"),
        ([soak_began(600), soak_seen(600, 9, 2, ended="")], 300.0, timedelta(0), "it was held to 7 min 00 s"),
        ([soak_began(600), soak_seen(600, 9, 2, ended="")], LIMIT, LONGEST_PAUSE, "more than 3 days ago"),
        ([soak_began(600), soak_seen(600, 9, 2, ended="")], LIMIT, timedelta(0), ""),
        ([soak_began(600), soak_seen(600, 9, 2, ended="interrupted")], 500.0, timedelta(0), ""),
    ],
)
def test_a_soak_is_gone_on_with_only_where_it_still_says_something(
    records: list[Record], limit: float, later: timedelta, why: str
) -> None:
    found = why_not(result(run_started(), *records), limit, BEGAN + timedelta(hours=1) + later)
    assert found.startswith(why) if not why or "more" not in why else why in found
    assert bool(found) == bool(why)


@pytest.fixture
def resuming(tmp_path: Path) -> Callable[..., tuple["ValidationRun", list[Record]]]:
    """Return a run that resumes one with these records; and what it records."""

    def made(*records: Record, url: str = "") -> tuple["ValidationRun", list[Record]]:
        stack = stack_described(strict=False)
        log = RunLog(tmp_path / "run.jsonl", Redactor())
        for record in (run_started(), stack, *records):
            log.append(record)
        log.close()
        said: list[Record] = []
        run = SimpleNamespace(
            settings=Settings(resume=log.path),
            stack=SimpleNamespace(base_url=url or stack.base_url),
            record=lambda *some: said.extend(some),
        )
        return cast("ValidationRun", run), said

    return made


def test_it_is_said_that_a_soak_is_gone_on_with_and_its_records_stand_in_the_new_log(
    resuming: Callable[..., tuple["ValidationRun", list[Record]]],
) -> None:
    run, said = resuming(soak_began(600), due_slice(60), soak_seen(600, 300, 60, ended="interrupted"))
    found = take_over(run, BEGAN + timedelta(hours=1))
    assert found is not None
    note = said[-1]
    assert isinstance(note, Note)
    assert note.text.endswith("is gone on with: 5 min 00 s of it are proven.")
    assert [type(one) for one in said[:-1]] == [type(due_slice(60)), SoakGap]


def test_it_is_said_why_a_soak_is_not_gone_on_with(
    resuming: Callable[..., tuple["ValidationRun", list[Record]]],
) -> None:
    run, said = resuming(*quiet())
    assert take_over(run, BEGAN + timedelta(hours=1)) is None
    (note,) = said
    assert isinstance(note, Note)
    assert note.text.endswith("is not gone on with: it had come to its end. This one begins anew.")


def test_a_run_of_another_controller_is_refused(
    resuming: Callable[..., tuple["ValidationRun", list[Record]]],
) -> None:
    run, _ = resuming(soak_began(600), url="http://other:1")
    with pytest.raises(NotCheckedError, match="which was not of this controller"):
        take_over(run, BEGAN)


def test_a_file_that_is_no_log_is_refused(
    resuming: Callable[..., tuple["ValidationRun", list[Record]]], tmp_path: Path
) -> None:
    run, _ = resuming()
    (tmp_path / "run.jsonl").write_text("not ours\n", encoding="utf-8")
    with pytest.raises(NotCheckedError, match="which is not the log of a run"):
        earlier_run(run)


def test_without_resume_there_is_no_earlier_run() -> None:
    run = SimpleNamespace(settings=Settings())
    assert take_over(cast("ValidationRun", run), BEGAN) is None
