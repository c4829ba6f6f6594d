"""A soak of hours and days, in a world whose clocks are ours: what it survives, what it tells, what it proves."""

from collections import Counter
from datetime import timedelta
from itertools import pairwise

import pytest

from tests.support.soak_world import BEGIN, LIMIT, World, WorldProver, soak_in
from tsse_validation.clients.snapshot import ActiveJob
from tsse_validation.domain.durations import Duration
from tsse_validation.domain.errors import LogError
from tsse_validation.domain.soak_tally import SoakFigures
from tsse_validation.runlog.record_base import Record
from tsse_validation.runlog.soak_records import (
    SoakBegan,
    SoakBreach,
    SoakEvent,
    SoakFiles,
    SoakGap,
    SoakSample,
    SoakSeen,
    SoakSlice,
)
from tsse_validation.steps.soak_resuming import EarlierSoak
from tsse_validation.steps.soaking import SoakOrder

HOUR = 3_600.0
DAY = 24 * HOUR
BACKFILL = ActiveJob("job-7", "lake_backfill_v1", "running", BEGIN)


def kinds(world: World) -> list[str]:
    return [event.kind for event in world.of(SoakEvent)]


def last(world: World) -> SoakSeen:
    return world.of(SoakSeen)[-1]


def test_ten_quiet_minutes_are_proven_whole() -> None:
    world = World()
    outcome = soak_in(world, "10m", prover=WorldProver(world))
    seen = last(world)
    assert (seen.ended, seen.seconds, seen.proven_seconds, seen.samples, seen.breaches) == (
        "completed",
        600,
        600,
        61,
        0,
    )
    assert seen.age_max_seconds is not None
    assert 60 <= seen.age_max_seconds <= 130
    assert not [*world.of(SoakGap), *world.of(SoakBreach), *world.of(SoakEvent)]
    assert len(world.of(SoakSample)) == 61
    assert world.of(SoakBegan)[0].asked_seconds == 600
    assert outcome.figures.proven == 600


def test_every_sample_is_in_the_log_before_the_next_is_taken() -> None:
    world = World()
    counts: list[tuple[int, int]] = []

    def record(one: Record) -> None:
        world.records.append(one)
        counts.append((world.reads, len(world.of(SoakSample))))

    soak_in(world, "2m", record=record)
    assert all(reads - samples in {0, 1} for reads, samples in counts)


def test_a_week_with_all_that_can_happen_is_told_in_a_few_lines_and_loses_no_proof() -> None:
    world = World()
    prover = WorldProver(world)
    # a controller that is upgraded, Postgres that restarts, a torn state, a laptop that sleeps over night
    world.set(1 * HOUR, up=False)
    world.set(1 * HOUR + 180, up=True)
    world.set(2 * HOUR, postgres_up=False)
    world.set(2 * HOUR + 400, postgres_up=True)
    world.set(3 * HOUR, torn=True)
    world.set(3 * HOUR + 15, torn=False)
    world.machine_sleeps(4 * HOUR, 8 * HOUR)
    # a breach: replication stands still for a quarter of an hour, while a backfill runs
    world.set(2 * DAY, replicates=False, jobs=(BACKFILL,))
    world.set(2 * DAY + 900, replicates=True, jobs=())
    outcome = soak_in(world, "7d", pace=60.0, prover=prover)
    assert Counter(kinds(world)) == {
        "connection_lost": 2,
        "connection_back": 2,
        "restart": 1,
        "postgres_lost": 1,
        "postgres_back": 1,
        "job_running": 1,
    }
    seen = last(world)
    assert seen.seconds == pytest.approx(7 * DAY, abs=60)
    *_, breach = world.of(SoakBreach)
    assert breach.end is not None
    assert breach.start == pytest.approx(BEGIN + timedelta(seconds=2 * DAY + LIMIT - 60), abs=timedelta(minutes=3))
    assert (breach.end - breach.start).total_seconds() == pytest.approx(600, abs=180)
    assert any("lake_backfill_v1 job job-7 is running" in text for text in breach.seen)
    (asleep,) = [gap for gap in world.of(SoakGap) if gap.why == "asleep"]
    assert (asleep.end - asleep.start).total_seconds() == pytest.approx(8 * HOUR, abs=300)
    assert (outcome.figures.breaches, seen.breaches) == (1, 1)
    assert seen.proven_seconds == pytest.approx(7 * DAY - 8 * HOUR - 900, abs=1200)
    assert seen.longest_gap_seconds == pytest.approx(8 * HOUR, abs=120)
    # all that became due was compared, what Postgres withheld for a while too
    due = [one for one in world.of(SoakSlice) if one.kind == "due"]
    assert all(one.through == after.since for one, after in pairwise(due))
    assert seen.rows_proven == (due[-1].through - (BEGIN - timedelta(seconds=90))).total_seconds()
    assert seen.old_days == pytest.approx((7 * DAY - 8 * HOUR) / 900, abs=2)
    assert prover.asked[-2:] == ["since_start", "whole_range"]


def test_a_controller_that_hangs_on_the_same_machine_after_a_sleep_is_no_breach_until_it_had_its_time() -> None:
    world = World()
    world.machine_sleeps(120, 2 * HOUR)
    # it sleeps with us, and needs two minutes to catch up
    world.set(120, replicates=False)
    world.set(240 + 2 * HOUR, replicates=True)
    outcome = soak_in(world, "3h")
    assert outcome.figures.breaches == 0
    (gap,) = world.of(SoakGap)
    assert gap.why == "asleep"
    assert outcome.figures.proven < 0.99 * 3 * HOUR


def test_a_clock_of_ours_that_is_set_is_no_sleep_and_no_breach() -> None:
    world = World()
    world.set(120, wall_off=HOUR)
    world.set(240, wall_off=-HOUR)
    outcome = soak_in(world, "10m")
    assert (outcome.figures.breaches, outcome.figures.proven) == (0, 600)
    assert not [*world.of(SoakGap), *world.of(SoakEvent)]


def test_a_controllers_clock_that_is_set_forward_is_told_and_its_age_believed() -> None:
    """Replication goes by that clock: a watermark that does not follow it is late by the controller's own word."""
    world = World()
    world.set(120, controller_off=HOUR)
    outcome = soak_in(world, "10m")
    assert kinds(world)[0] == "clock_set"
    assert outcome.figures.breaches == 1


def test_a_controllers_clock_that_drifts_is_followed() -> None:
    world = World()
    for minute in range(1, 60):
        world.set(60.0 * minute, controller_off=minute * 2.0)
        world.set(60.0 * minute + 1, mark_back=-minute * 2.0)
    outcome = soak_in(world, "1h")
    assert outcome.figures.breaches == 0
    assert outcome.figures.proven > 0.99 * HOUR


def test_by_the_api_no_more_than_two_of_three_posts_are_spent_and_none_while_others_have_spent_them() -> None:
    world = World()
    world.set(HOUR, blocked=15.0)
    world.set(HOUR + 300, blocked=0.0)
    outcome = soak_in(world, "2h", kind="inspection", pace=30.0)
    assert world.reads <= 2 * HOUR / 30 + 2
    assert outcome.figures.breaches == 0
    # five minutes without a sample are proven by what came before, if the watermark was young enough
    assert all(gap.why == "unanswered" and "POST budget" in gap.text for gap in world.of(SoakGap))
    assert "connection_lost" not in kinds(world)


def test_by_the_api_a_controller_that_is_away_costs_no_post() -> None:
    world = World()
    world.set(100, up=False)
    world.set(400, up=True)
    soak_in(world, "10m", kind="inspection", pace=30.0)
    assert kinds(world) == ["connection_lost", "connection_back", "restart"]
    # 300 s without a read: the first comes with the first sign of life
    gap = max((later.at - one.at).total_seconds() for one, later in pairwise(world.of(SoakSample)))
    assert gap == pytest.approx(300, abs=45)


def test_a_controller_that_never_answers_leaves_a_soak_of_nothing() -> None:
    world = World(up=False)
    outcome = soak_in(world, "5m", kind="inspection", pace=30.0)
    assert (outcome.figures.samples, outcome.figures.proven) == (0, 0)
    assert last(world).ended == "completed"
    assert kinds(world) == ["connection_lost"]


def test_a_breach_that_lasts_to_the_end_is_told_with_no_end() -> None:
    world = World(replicates=False)
    soak_in(world, "10m")
    first, *_, told = world.of(SoakBreach)
    assert (first.start, told.start, told.end) == (told.start, first.start, None)
    assert told.worst_seconds == pytest.approx(690, abs=10)


def test_a_breach_says_that_the_controller_was_away_however_short_it_was() -> None:
    """Signs of life are asked for twice a minute only: a breach asks for one at once."""
    world = World()
    world.set(35, replicates=False)
    world.set(362, up=False)
    world.set(376, up=True, replicates=True)
    soak_in(world, "20m")
    *_, breach = world.of(SoakBreach)
    assert breach.end is not None
    assert any("refuses the connection" in text for text in breach.seen)


def test_a_watermark_and_a_backfill_that_go_back_are_told() -> None:
    world = World()
    world.set(120, mark_back=3_600.0)
    outcome = soak_in(world, "5m")
    assert outcome.figures.retreats == 1
    assert "state_went_back" in kinds(world)


def test_a_backfill_that_sets_the_watermark_back_to_its_target_is_told_and_is_no_retreat() -> None:
    world = World()
    # passes have gone on while it ran; it was completed at 02:02, and its target was that of 02:00
    world.set(120, mark_at=-30.0, backfilled_at=120.0, replicates=False)
    world.set(130, replicates=True)
    outcome = soak_in(world, "5m")
    assert (outcome.figures.retreats, outcome.evidence.retreats) == (0, [])
    (event,) = world.of(SoakEvent)
    assert event.kind == "state_went_back"
    assert event.text.startswith("a backfill has set the watermark back to its target")


def test_a_job_of_ours_that_is_not_known_any_more_is_told_once() -> None:
    world = World()
    world.set(60, knows_our_job=False)
    soak_in(world, "1h")
    assert kinds(world) == ["job_vanished"]


def test_a_shard_day_that_stays_crowded_and_a_temporary_file_that_stays_are_seen() -> None:
    world = World()
    world.set(60, files_in_a_shard=11, temporary=("/lake/x.parquet.tmp",))
    outcome = soak_in(world, "20m")
    assert outcome.files.crowded == ["date=2026-02-21/shard=00: 11 files"]
    assert outcome.files.stayed == ["/lake/x.parquet.tmp"]
    assert kinds(world) == ["file_counts", "temporary_files"]
    assert {one.most_in_a_shard_day for one in world.of(SoakFiles)} == {3, 11}


def test_a_shard_day_that_compaction_brings_down_in_time_is_none_and_neither_while_the_controller_is_away() -> (
    None
):
    world = World()
    world.set(60, files_in_a_shard=11, temporary=("/lake/x.parquet.tmp",))
    world.set(170, files_in_a_shard=1, temporary=())
    world.set(300, files_in_a_shard=11, up=False)
    world.set(600, up=True)
    world.set(690, files_in_a_shard=1)
    outcome = soak_in(world, "20m")
    assert (outcome.files.crowded, outcome.files.stayed) == ([], [])


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_ends_it_with_what_was_seen_and_goes_on(interrupt: type[BaseException]) -> None:
    world = World()

    def stop() -> None:
        raise interrupt

    world.at(300, stop)
    with pytest.raises(interrupt):
        soak_in(world, "10m", prover=WorldProver(world))
    seen = last(world)
    assert (seen.ended, seen.samples) == ("interrupted", 30)
    assert seen.proven_seconds == pytest.approx(300, abs=6)


def test_a_log_that_takes_nothing_any_more_ends_it() -> None:
    world = World()

    def record(one: Record) -> None:
        world.records.append(one)
        if len(world.records) > 20:
            raise LogError("The run log could not be written: no space.")

    with pytest.raises(LogError):
        soak_in(world, "10m", record=record)


def test_a_soak_goes_on_with_what_an_earlier_one_has_proven() -> None:
    world = World()
    earlier = SoakFigures(seconds=500, proven=400, samples=40, ages={100: 40}, age_max=100.0, longest_gap=77.0)
    outcome = soak_in(
        world, order=SoakOrder(Duration.parse("10m"), LIMIT, 900.0, EarlierSoak("an-earlier-run", earlier))
    )
    assert outcome.figures.proven == pytest.approx(600)
    assert outcome.figures.samples == 40 + 21
    assert last(world).longest_gap_seconds == 77
    assert world.of(SoakBegan)[0].earlier_run == "an-earlier-run"


def test_what_flaps_for_days_is_not_written_down_for_ever() -> None:
    world = World()
    for minute in range(1, 2_000):
        world.set(60.0 * minute, torn=bool(minute % 2))
    soak_in(world, "33h", pace=20.0)
    assert max(Counter(kinds(world)).values()) == 300
