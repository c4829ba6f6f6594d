"""What the checks of a soak say of what it has shown: evidence first, then what is not proven."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from tests.support.soak_world import World, WorldProver, soak_in
from tsse_validation.clients.snapshot import ActiveJob
from tsse_validation.domain.contract import Inspection
from tsse_validation.domain.errors import NotCheckedError, PromiseBrokenError, UnreachableError
from tsse_validation.settings.definitions import Settings
from tsse_validation.settings.loading import load_settings
from tsse_validation.steps import soak_checks
from tsse_validation.steps.run import Check, begin_run
from tsse_validation.steps.soak_watching import FilesWatch
from tsse_validation.steps.soaking import SoakOutcome


@pytest.fixture
def check(tmp_path: Path) -> Iterator[Check]:
    run = begin_run(load_settings({"report_dir": str(tmp_path)}, tmp_path), {})
    yield Check(run)
    run.log.close()


def known() -> float | None:
    return 0.0


def away() -> float | None:
    raise UnreachableError("Postgres refuses the connection.")


def never() -> Inspection:
    pytest.fail("there is no reason to wait for compaction")


def today() -> date:
    return date(2026, 3, 2)


def proven(world: World, asked: str = "10m", prover: WorldProver | None = None) -> SoakOutcome:
    return soak_in(world, asked, prover=prover)


def test_a_soak_without_a_flaw_states_what_it_rests_on(check: Check) -> None:
    world = World()
    soak = proven(world, prover=WorldProver(world))
    soak_checks.check_recent_throughout(soak, known, check)
    soak_checks.check_never_retreats_throughout(soak, check)
    soak_checks.check_files_throughout(soak, never, today, check)
    soak_checks.hold_none_stayed(soak, check)
    soak_checks.check_newly_due(soak, check)
    soak_checks.check_old_days(soak, Settings(), check)
    soak_checks.check_whole_range(soak, check)
    assert check.facts["proven"] == "10m of 10m"
    assert check.facts["age"].startswith("at most 1")
    assert check.facts["files"] == "11 looks, at most 3 files in a shard-day"


def test_a_breach_is_evidence_whatever_else_cannot_be_read(check: Check) -> None:
    """A Postgres that is away at the end must not make a broken promise something that was not checked."""
    world = World(replicates=False)
    with pytest.raises(PromiseBrokenError) as broken:
        soak_checks.check_recent_throughout(proven(world), away, check)
    assert "The watermark was older than 420 s 1 time: from 2026-03-02 12:" in broken.value.message
    assert "to the end, at most 690 s" in broken.value.message


def test_a_breach_says_what_else_was_seen_then(check: Check) -> None:
    world = World()
    world.set(60, replicates=False, jobs=(ActiveJob("job-7", "lake_backfill_v1", "running", world.wall()),))
    with pytest.raises(PromiseBrokenError, match="seen then: the lake_backfill_v1 job job-7 is running since"):
        soak_checks.check_recent_throughout(proven(world), known, check)


def test_a_clock_of_postgres_that_is_off_leaves_the_age_unknown(check: Check) -> None:
    with pytest.raises(NotCheckedError, match="how far the lake is behind Postgres cannot be told"):
        soak_checks.check_recent_throughout(proven(World()), lambda: 90.0, check)


def test_a_laptop_that_slept_leaves_it_unproven_with_the_sum_and_the_longest_gap(check: Check) -> None:
    world = World()
    world.machine_sleeps(120, 1_800)
    with pytest.raises(NotCheckedError) as short:
        soak_checks.check_recent_throughout(proven(world, "1h"), known, check)
    said = short.value.message
    assert "of 1h are proven; the longest time between two samples was 18" in said
    assert "(our machine slept)" in said


def test_a_controller_that_never_answered_leaves_it_unproven(check: Check) -> None:
    with pytest.raises(NotCheckedError, match=r"No sample was taken in the soak\."):
        soak_checks.check_recent_throughout(proven(World(torn=True)), known, check)


def test_a_watermark_that_went_back_is_evidence(check: Check) -> None:
    world = World()
    world.set(120, mark_back=3_600.0)
    with pytest.raises(PromiseBrokenError, match="The watermark went backwards 1 time: at 2026-03-02 12:02"):
        soak_checks.check_never_retreats_throughout(proven(world), check)


def test_a_shard_day_that_stayed_crowded_is_evidence(check: Check) -> None:
    world = World(files_in_a_shard=11)
    with pytest.raises(
        PromiseBrokenError, match="1 shard-day stayed with too many files: date=2026-02-21/shard=00"
    ):
        soak_checks.check_files_throughout(proven(world), never, today, check)


def test_a_shard_day_that_is_crowded_at_the_end_gets_compactions_time(check: Check) -> None:
    """A soak that is shorter than compaction may take must not let it pass."""
    world = World(files_in_a_shard=11)
    soak = proven(world, "20s")
    asked: list[str] = []

    def settled() -> Inspection:
        asked.append("once")
        return Inspection.model_validate(
            {"hot_path": "/lake/hot", "cold_path": None, "datasets": {}, "replication": {"schema_version": 1}}
        )

    soak_checks.check_files_throughout(soak, settled, today, check)
    assert asked == ["once"]


def test_a_temporary_file_that_stayed_is_evidence(check: Check) -> None:
    world = World(temporary=("/lake/x.parquet.tmp",))
    with pytest.raises(PromiseBrokenError, match=r"1 temporary file stayed: /lake/x\.parquet\.tmp\."):
        soak_checks.hold_none_stayed(proven(world, "15m"), check)


def test_files_that_nobody_could_look_at_prove_nothing(check: Check) -> None:
    soak = replace(proven(World()), files=FilesWatch(lambda _: None))
    with pytest.raises(NotCheckedError, match="The files were never looked at in the soak"):
        soak_checks.hold_none_stayed(soak, check)


def test_rows_that_differ_are_evidence_whichever_slice_found_them(check: Check) -> None:
    world = World()
    soak = proven(world, prover=WorldProver(world, differing=2))
    with pytest.raises(PromiseBrokenError, match="differ between Postgres and the lake"):
        soak_checks.check_newly_due(soak, check)
    with pytest.raises(PromiseBrokenError, match="2 rows differ between Postgres and the lake"):
        soak_checks.check_old_days(soak, Settings(), check)
    with pytest.raises(PromiseBrokenError, match="2 rows differ between Postgres and the lake"):
        soak_checks.check_whole_range(soak, check)


def test_without_a_comparison_nothing_is_proven_of_the_rows_and_why_is_said(check: Check) -> None:
    soak = proven(World())
    with pytest.raises(NotCheckedError, match=r"No rows were compared in the soak\."):
        soak_checks.check_newly_due(soak, check)
    soak.slices.without = "3 dates lie in the controller's cold place."
    with pytest.raises(NotCheckedError, match=r"in the soak: 3 dates lie in the controller's cold place\."):
        soak_checks.check_whole_range(soak, check)


def test_what_could_not_be_compared_at_the_end_is_not_proven(check: Check) -> None:
    world = World()
    world.set(550, postgres_up=False)
    soak = proven(world, prover=WorldProver(world))
    with pytest.raises(NotCheckedError, match="The last rows that became due were not compared: Postgres refuses"):
        soak_checks.check_newly_due(soak, check)
    with pytest.raises(NotCheckedError, match="The whole range was not compared: Postgres refuses"):
        soak_checks.check_whole_range(soak, check)


def test_without_rows_that_became_due_nothing_is_proven(check: Check) -> None:
    world = World(replicates=False)
    soak = proven(world, "5m", prover=WorldProver(world))
    with pytest.raises(NotCheckedError, match="No row became due in the soak"):
        soak_checks.check_newly_due(soak, check)


def test_old_days_that_were_not_wanted_are_not_proven(check: Check) -> None:
    world = World()
    soak = proven(world, prover=WorldProver(world))
    none = Settings.model_validate({"soak_old_day_every": "0"})
    with pytest.raises(NotCheckedError, match=r"--soak-old-day-every 0"):
        soak_checks.check_old_days(soak, none, check)
