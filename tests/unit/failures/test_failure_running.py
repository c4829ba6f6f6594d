"""How a scenario is run and judged, on an arena that is none: a loss is never a pass, and never told wrongly."""

from datetime import date, timedelta
from pathlib import Path

import pytest

from tests.support.builders import WATERMARK
from tests.support.failing import DAY_UNDER_WAY, HOLE, WHOLE, FakeArena, a_scenario, struck, tried
from tsse_validation.domain.errors import NotAllowedError, PromiseBrokenError, UnreachableError
from tsse_validation.failures.aftermath import Proven
from tsse_validation.failures.arena import Arena
from tsse_validation.failures.arena_files import FileSeen
from tsse_validation.failures.scenario import Ability, Chance, MissedError, Struck


@pytest.fixture
def arena(tmp_path: Path) -> FakeArena:
    return FakeArena(tmp_path)


def test_a_lake_that_is_whole_after_the_restart_is_recovered(arena: FakeArena) -> None:
    found = tried(arena, a_scenario(), WHOLE, WHOLE)
    assert (found.outcome, found.struck, found.rows, found.seed) == ("recovered", "SIGKILL", 1000, 7)
    assert found.recovered_seconds is not None
    assert arena.done == ["restore", "start postgres", "start"]


def test_a_hole_after_the_restart_is_a_loss_where_nobody_repairs_it(arena: FakeArena) -> None:
    found = tried(arena, a_scenario(), WHOLE, HOLE)
    assert (found.outcome, found.differing, found.recovered_seconds) == ("lost", 40, None)
    assert found.diagnoses == HOLE.diagnoses


def test_a_hole_that_the_contract_allows_is_told_and_has_to_be_gone_after_the_repair(arena: FakeArena) -> None:
    repair = a_scenario(repair=lambda a, _: a.done.append("repair"), repaired_by="the same backfill again")
    found = tried(arena, repair, WHOLE, HOLE, WHOLE)
    assert (found.outcome, found.repaired_by) == ("recovered", "the same backfill again")
    assert (found.before_repair, found.diagnoses) == (HOLE.diagnoses, ())
    assert arena.done.count("repair") == 1
    assert tried(arena, repair, WHOLE, HOLE, HOLE).outcome == "lost"


def test_a_hole_on_another_date_is_a_loss_whatever_the_repair_would_heal(arena: FakeArena) -> None:
    elsewhere = Proven(HOLE.coverage, 1000, 40, HOLE.days | {date(2026, 1, 7)}, diagnoses=HOLE.diagnoses)
    scenario = a_scenario(repair=lambda a, _: a.done.append("repair"), repaired_by="the same backfill again")
    found = tried(arena, scenario, WHOLE, elsewhere, WHOLE)
    assert (found.outcome, found.diagnoses, found.repaired_by) == ("lost", HOLE.diagnoses, "")
    assert "repair" not in arena.done


def test_a_strike_that_meets_nothing_is_tried_again_earlier_and_is_never_a_pass(arena: FakeArena) -> None:
    attempts = []

    def misses(_arena: Arena, chance: Chance) -> Struck:
        attempts.append(chance.attempt)
        raise MissedError("The backfill was completed before the strike.")

    found = tried(arena, a_scenario(strike=misses, tries=3), WHOLE, WHOLE, WHOLE)
    assert attempts == [0, 1, 2]
    assert found.outcome == "not_tried"
    assert "met nothing, 3 times over: The backfill was completed" in found.message


def test_a_second_try_that_strikes_counts(arena: FakeArena) -> None:
    def strikes_late(arena: Arena, chance: Chance) -> Struck:
        if not chance.attempt:
            raise MissedError("Too late.")
        return struck(arena, chance)

    assert tried(arena, a_scenario(strike=strikes_late), WHOLE, WHOLE, WHOLE).outcome == "recovered"


def test_what_this_stack_cannot_do_is_not_tried_and_says_why(arena: FakeArena) -> None:
    found = tried(arena, a_scenario(needs=frozenset({Ability.POSTGRES_SERVER})))
    assert (found.outcome, arena.done) == ("not_tried", [])
    assert "not this run's own" in found.message


@pytest.mark.parametrize("before", [HOLE, Proven(WHOLE.coverage, rows=0)], ids=["a hole", "no row"])
def test_nothing_is_said_of_a_lake_that_was_not_whole_before(arena: FakeArena, before: Proven) -> None:
    found = tried(arena, a_scenario(), before, WHOLE)
    assert found.outcome == "not_tried"
    assert "not whole before the strike" in found.message


def test_a_controller_that_does_not_start_again_is_a_loss_and_a_slow_one_proves_nothing(arena: FakeArena) -> None:
    arena.start_fails, arena.running = True, False
    assert tried(arena, a_scenario(), WHOLE).outcome == "lost"
    arena.running = True
    assert tried(arena, a_scenario(), WHOLE).outcome == "not_tried"


def test_replication_that_stands_still_after_the_strike_is_a_loss(arena: FakeArena) -> None:
    ahead = a_scenario(strike=lambda *_: Struck("SIGKILL", WATERMARK + timedelta(seconds=1)))
    found = tried(arena, ahead, WHOLE, WHOLE)
    assert found.outcome == "lost"
    assert "Replication had not passed" in found.message


def test_replication_that_stands_still_before_the_strike_says_nothing_of_it(arena: FakeArena) -> None:
    arena.write_state(WATERMARK - timedelta(minutes=1))
    assert tried(arena, a_scenario(), WHOLE).outcome == "not_tried"


def test_a_file_that_nothing_was_to_touch_is_a_loss_though_every_row_is_there(arena: FakeArena) -> None:
    path = "hot/metrics/v1/date=2026-01-02/shard=00/part-a-0.parquet"
    arena.seen = [{path: FileSeen(10, "a")}, {}]
    found = tried(arena, a_scenario(), WHOLE, WHOLE)
    assert (found.outcome, found.touched) == ("lost", (f"{path} is gone",))


def test_rows_of_postgres_that_are_gone_are_a_loss(arena: FakeArena) -> None:
    arena.altered = 3
    found = tried(arena, a_scenario(), WHOLE, WHOLE)
    assert (found.outcome, found.message) == ("lost", "3 rows of Postgres gone or altered.")


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (PromiseBrokenError("The watermark went back."), "lost"),
        (UnreachableError("Postgres is away."), "not_tried"),
    ],
)
def test_a_proof_that_breaks_off_is_a_loss_only_where_a_promise_is_broken(
    arena: FakeArena, error: Exception, outcome: str
) -> None:
    def breaks(_arena: Arena, _struck: Struck) -> None:
        raise error

    found = tried(arena, a_scenario(recover=breaks), WHOLE)
    assert (found.outcome, found.struck) == (outcome, "SIGKILL")
    assert str(error) in found.message


def test_a_file_left_in_the_making_is_told_and_is_no_loss(arena: FakeArena) -> None:
    arena.seen = [{}, {"hot/metrics/v1/date=2026-01-02/shard=00/part-a-0.parquet.tmp": FileSeen(1, "a")}]
    found = tried(arena, a_scenario(), WHOLE, WHOLE)
    assert found.outcome == "recovered"
    assert "1 file in the making left behind" in found.message


def test_no_stack_but_our_own_is_ever_struck(tmp_path: Path) -> None:
    with pytest.raises(NotAllowedError, match="not this run's own"):
        tried(FakeArena(tmp_path, owned=False), a_scenario())


def test_the_day_under_way_is_the_only_one_that_the_scenario_lets_stand_empty() -> None:
    assert struck(None, None).empties == {DAY_UNDER_WAY}  # type: ignore[arg-type]
