"""Scenarios of the controller, tried for real on the reference one; and what is left of an arena: nothing."""

import subprocess
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from fixtures.arena.embedded import embedded_arena
from fixtures.arena.stack_arena import StackArena
from fixtures.stacks.embedded import EmbeddedOptions
from tests.integration.failures.conftest import Tries
from tsse_validation.domain.errors import NotAllowedError
from tsse_validation.failures.arena_files import FileSeen
from tsse_validation.failures.scenarios_controller import CONTROLLER_SCENARIOS
from tsse_validation.runlog.failure_records import FailureTried

OTHER_SEED = 5
"""Not the one that the run of all scenarios has."""


def recovered(tried: FailureTried) -> None:
    assert (tried.outcome, tried.differing, tried.diagnoses, tried.touched) == ("recovered", 0, (), ()), tried
    assert tried.rows
    assert tried.struck_at is not None


def test_a_date_that_a_killed_backfill_had_removed_is_missed_until_the_backfill_is_repeated(tries: Tries) -> None:
    tried = tries("kill-at-removed-date")
    recovered(tried)
    assert "partition missing" in {found.diagnosis for found in tried.before_repair}
    assert "a date was removed and not written again" in tried.struck


def test_a_pass_that_is_killed_before_its_state_is_written_costs_no_row_and_needs_no_repair(tries: Tries) -> None:
    tried = tries("kill-before-state")
    recovered(tried)
    assert tried.repaired_by == ""


@pytest.mark.slow
@pytest.mark.parametrize("key", [scenario.key for scenario in CONTROLLER_SCENARIOS])
def test_the_reference_controller_recovers_from_each(key: str, tries: Tries) -> None:
    recovered(tries(key, OTHER_SEED))


def test_an_arena_is_restored_whatever_was_done_to_it(arena: StackArena) -> None:
    arena.restore()
    arena.stop()
    before, rows = data_files(arena), arena.sql("SELECT count(*), sum(hashtext(metrics::text)) FROM metrics")
    arena.sql("ALTER TABLE metrics RENAME TO lost")
    arena.paths.hot.joinpath("_state", "manifest.json").write_text("torn")
    next(arena.paths.hot.rglob("*.parquet")).unlink()
    arena.kill_postgres()
    arena.restore()
    assert data_files(arena) == before
    assert arena.sql("SELECT count(*), sum(hashtext(metrics::text)) FROM metrics") == rows
    assert arena.changed_rows() == 0


def data_files(arena: StackArena) -> dict[str, FileSeen]:
    return {path: seen for path, seen in arena.files().items() if path.endswith(".parquet")}


def test_rows_of_postgres_that_somebody_alters_are_counted(arena: StackArena) -> None:
    arena.restore()
    one = "SELECT sensor_id, ts FROM metrics WHERE inserted_at IS NOT NULL ORDER BY ts OFFSET 99 LIMIT 1"
    arena.sql(f"UPDATE metrics SET value = value + 1 WHERE (sensor_id, ts) = ({one})")
    assert arena.changed_rows() == 1
    arena.sql("UPDATE metrics SET value = value + 1, inserted_at = now() WHERE ts = (SELECT min(ts) FROM metrics)")
    assert arena.changed_rows() == 1  # an upsert is no alteration
    arena.sql("DELETE FROM metrics WHERE ts = (SELECT max(ts) FROM metrics)")
    assert arena.changed_rows() >= 2
    arena.restore()


def test_an_arena_takes_no_stack_but_our_own(arena: StackArena, tmp_path: Path) -> None:
    stack = replace(arena.stack, owned=False)
    with pytest.raises(NotAllowedError, match="not this run's own"):
        StackArena(
            stack,
            arena._farm,
            arena._controller,
            arena._postgres,
            arena.machine,
            keep=tmp_path,
            abilities=arena.abilities,
            lag=arena.lag,
        )


def test_nothing_is_left_of_an_arena_whose_services_were_stopped_and_killed() -> None:
    with embedded_arena(EmbeddedOptions(), lambda _: None) as arena:
        home = arena.paths.hot.parents[4]
        arena.pause()
        arena.kill_postgres()
        assert home.is_dir()
    assert not home.exists()
    listed = subprocess.run(["ps", "axww", "-o", "args="], capture_output=True, text=True, check=True).stdout
    assert str(home) not in listed
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(arena.conninfo.get_secret_value(), connect_timeout=2)
