"""What a soak looks at, and how it is asked for: its pace, its jobs, its clocks, its words in a dry run."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from tests.support.soak_world import World, WorldProver
from tsse_validation.domain.catalogue import CHECKS, SOAK_CHECKS, builds_on
from tsse_validation.domain.errors import BlockedError
from tsse_validation.runlog.records import CheckStatus
from tsse_validation.settings.definitions import Settings
from tsse_validation.steps.blocking import CheckStates
from tsse_validation.steps.dry_running import calls_and_files
from tsse_validation.steps.soak_clock import ClockMove, SoakClock
from tsse_validation.steps.soak_slices import SlicesProven
from tsse_validation.steps.soak_watching import sample_pace

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@dataclass
class Clocks:
    """Our clock and the time that passed; the controller's, by the header of an answer."""

    wall: datetime = NOON
    passed: float = 0.0
    theirs: timedelta = timedelta(0)

    def go(self, seconds: float, *, asleep: bool = False) -> None:
        self.wall += timedelta(seconds=seconds)
        self.passed += 0.0 if asleep else seconds

    @property
    def date(self) -> str:
        return format_datetime(self.wall + self.theirs, usegmt=True)

    def clock(self) -> SoakClock:
        return SoakClock(self.date, lambda: self.wall, lambda: self.passed)


def test_the_controllers_present_goes_on_with_ours_between_two_looks() -> None:
    clocks = Clocks(theirs=timedelta(seconds=90))
    clock = clocks.clock()
    clocks.go(12.5)
    assert clock.now() == NOON + timedelta(seconds=102.5)
    assert clock.read(clocks.date) == ClockMove()


def test_a_sleep_is_told_by_how_long_it_was_and_only_once() -> None:
    clocks = Clocks()
    clock = clocks.clock()
    clocks.go(10)
    clocks.go(3_600, asleep=True)
    assert clock.jumped()
    assert clock.read(clocks.date) == ClockMove(slept=3_600)
    assert not clock.jumped()
    assert clock.read(clocks.date) == ClockMove()
    assert clock.awake() == 10


@pytest.mark.parametrize("by", [-7_200, 7_200])
def test_a_clock_of_ours_that_is_set_moves_nothing_where_the_controller_can_be_asked(by: float) -> None:
    clocks = Clocks()
    clock = clocks.clock()
    clocks.wall += timedelta(seconds=by)
    clocks.theirs -= timedelta(seconds=by)
    assert clock.jumped()
    assert clock.read(clocks.date) == ClockMove()
    assert clock.now() == NOON


def test_where_nobody_answers_after_a_sleep_our_own_clock_has_to_do() -> None:
    clocks = Clocks(theirs=timedelta(seconds=30))
    clock = clocks.clock()
    clocks.go(600, asleep=True)
    assert clock.read(None) == ClockMove(slept=600)
    assert clock.now() == NOON + timedelta(seconds=630)


def test_a_controllers_clock_that_is_set_is_told_by_how_much() -> None:
    clocks = Clocks()
    clock = clocks.clock()
    clocks.go(30)
    clocks.theirs = timedelta(hours=-1)
    assert not clock.jumped()
    assert clock.read(clocks.date) == ClockMove(moved=-3_600)


def test_the_first_answer_sets_the_clock_and_is_no_move_of_it() -> None:
    clocks = Clocks(theirs=timedelta(minutes=2))
    clock = SoakClock(None, lambda: clocks.wall, lambda: clocks.passed)
    assert clock.read(None) == ClockMove()
    assert clock.read(clocks.date) == ClockMove()
    assert clock.now() == NOON + timedelta(minutes=2)
    clocks.theirs = timedelta(0)
    assert clock.read(clocks.date) == ClockMove(moved=-120)


@pytest.mark.parametrize(
    ("given", "by_file", "pace"),
    [
        ({}, True, 10),
        ({}, False, 30),
        ({"soak_pace": "1s"}, True, 1),
        ({"soak_pace": "1s"}, False, 30),
        ({"soak_pace": "2m"}, True, 120),
        ({"soak_pace": "2m"}, False, 120),
    ],
)
def test_the_pace_is_what_was_asked_for_and_what_the_post_budget_bears(
    given: dict[str, str], by_file: bool, pace: float
) -> None:
    assert sample_pace(Settings.model_validate(given), by_file=by_file) == pace


def test_a_dry_run_says_for_how_long_it_would_stay_and_what_that_costs() -> None:
    by_api = Settings.model_validate({"base_url": "http://host:8000", "soak": "1h"})
    said = "\n".join(calls_and_files(by_api))
    assert "would stay for 1h after the other steps and watch the watermark (--soak)" in said
    assert "120 inspections of the soak, one each 30 s" in said
    by_file = by_api.model_copy(update={"hot_path": "/lake/hot"})
    assert "inspections of the soak" not in "\n".join(calls_and_files(by_file))
    assert "soak" not in "\n".join(calls_and_files(Settings()))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"await_seal": "10m"}, "wait up to 10m for the seal of the lake, in the run's folder (--await-seal)"),
        ({"await_seal": "10m", "lake_seal": "/l.seal"}, "for the seal of the lake, in /l.seal (--await-seal)"),
        ({"lake_seal": "/l.seal"}, "compare it with /l.seal (--lake-seal)"),
    ],
)
def test_a_dry_run_says_that_seals_take_the_place_of_the_lakes_files(given: dict[str, str], says: str) -> None:
    said = "\n".join(calls_and_files(Settings.model_validate({"base_url": "http://host:8000", **given})))
    assert says in said
    assert "would seal Postgres into the run's folder" in said
    assert "would read the lake's files" not in said


@pytest.mark.parametrize("key", SOAK_CHECKS)
def test_a_check_of_the_soak_builds_on_the_first_four_steps_as_those_of_step_five_do(key: str) -> None:
    spec = SOAK_CHECKS[key]
    alike = next(one for one in CHECKS.values() if one.step in {5, 6} and one.requires == spec.requires)
    found = list(builds_on(spec))
    assert found == list(builds_on(alike))
    assert {one.step for one in found} == {1, 2, 3, 4}


def test_a_check_of_the_soak_is_blocked_by_a_backfill_that_failed_and_not_by_what_step_five_found() -> None:
    states = CheckStates()
    for spec in CHECKS.values():
        failed = spec.key in {"test_watermark_is_recent", "test_file_counts_stay_bounded"}
        states.add(spec.key, spec.step, CheckStatus.FAILED if failed else CheckStatus.PASSED)
    for key in SOAK_CHECKS:
        states.hold_free(key)
    states.add("test_backfill_job_completes", 4, CheckStatus.FAILED)
    for key in SOAK_CHECKS:
        with pytest.raises(BlockedError, match=re.escape("step 4 (backfill)")):
            states.hold_free(key)


def test_what_could_not_be_compared_is_told_once_and_covered_by_the_next_slice() -> None:
    world = World(postgres_up=False)
    told: list[tuple[str, str]] = []
    slices = SlicesProven(WorldProver(world), lambda kind, text: told.append((kind, text)))
    through = world.wall()
    assert not slices.newly_due(through)
    assert not slices.old_day(through)
    assert slices.of["due"].unread == "Postgres refuses the connection."
    world.postgres_up = True
    assert slices.newly_due(through)
    assert [kind for kind, _ in told] == ["postgres_lost", "postgres_back"]
    assert (slices.of["due"].unread, slices.of["due"].new_rows) == ("", 90)
    assert slices.of["old_day"].unread, "the old day is still to be compared"
