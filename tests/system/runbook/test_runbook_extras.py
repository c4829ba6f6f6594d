"""What was given beside the API and fails blocks what needs it; all else is looked at, without a backfill."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from psycopg.conninfo import make_conninfo

from tests.support.command import EXIT_INCOMPLETE, EXIT_NO_GO, QUICK, Directly, Run, Runbook, is_a_sentence
from tests.support.controller import Controller, days_ago
from tests.support.damage import lake_file
from tests.support.databases import as_reader, new_database, put_rows
from tsse_validation.domain.catalogue import CHECKS
from tsse_validation.domain.outcome import Outcome
from tsse_validation.domain.stack import Capability
from tsse_validation.runlog.records import CheckStatus

FEW = (*QUICK, "--max-windows=7", "--max-job-windows=6")
POSTGRES, LAKE = Capability.POSTGRES, Capability.LAKE


def blocked_by(run: Run, red: str, side: Capability, from_step: int) -> None:
    """Hold that one check is red, and what looks at its side, and the backfill, are blocked by it alone."""
    assert (run.code, run.verdict.outcome) == (EXIT_INCOMPLETE, Outcome.INCOMPLETE), run
    assert {check.key for check in run.red.values()} == {f"test_{red}"}, run
    assert all(is_a_sentence(check.message) and check.advice for check in run.red.values()), run
    for check in run.result.checks:
        spec = CHECKS[check.key]
        needs_it = spec.step >= from_step and (side in spec.requires or spec.backfills)
        if check.check_id not in run.red:
            assert (check.status is CheckStatus.BLOCKED) == needs_it, (check.check_id, check.message)
            assert check.status.proven or needs_it, (check.check_id, check.message)
        if check.status is CheckStatus.BLOCKED:
            assert CHECKS[f"test_{red}"].title in check.message, check.message
    assert "no backfill is started without it" in run.check("backfill_job_completes").message
    assert not run.result.backfills
    assert run.check("parity_job_finds_no_mismatch").status is CheckStatus.PASSED
    assert "Traceback" not in run.output


def of_the_backfill(controller: Controller) -> int:
    ((jobs,),) = controller.sql("SELECT count(*) FROM analysis_jobs WHERE job_type = 'lake_backfill_v1'")
    return int(jobs)


def test_a_wrong_password_leaves_the_api_and_the_lake_to_be_looked_at(
    directly: Directly, controller: Controller
) -> None:
    before = of_the_backfill(controller)
    wrong = make_conninfo(controller.conninfo, password="not-the-password")
    run = directly(*FEW, env={"TSSE_DATABASE_URL": wrong})
    blocked_by(run, "postgres_answers_a_query", POSTGRES, 2)
    assert run.check("lake_files_are_well_formed[schema]").status is CheckStatus.PASSED
    assert of_the_backfill(controller) == before


def test_postgres_that_is_away_leaves_the_lakes_files_to_be_looked_at(
    directly: Directly, controller: Controller
) -> None:
    """The controller needs it as well: so the API's own first job ends the run, and is told beside it."""
    controller.postgres.stop()
    run = directly(*FEW)
    assert (run.code, run.verdict.outcome) == (EXIT_INCOMPLETE, Outcome.INCOMPLETE), run
    assert "postgres_answers_a_query" in run.red
    assert run.verdict.rows_compared == 0
    assert not run.result.backfills


def test_a_dead_qdrant_blocks_nothing(directly: Directly, controller: Controller) -> None:
    controller.qdrant.kill()
    run = directly(*FEW)
    assert (run.code, run.verdict.outcome) == (EXIT_INCOMPLETE, Outcome.INCOMPLETE), run
    assert run.red.keys() == {"qdrant_answers_healthz"}
    assert run.check("qdrant_answers_healthz").message.endswith("refuses the connection.")
    assert not run.status(CheckStatus.BLOCKED)
    assert [backfill.status for backfill in run.result.backfills] == ["completed"]
    assert run.verdict.rows_compared > 0
    assert "Qdrant answers /healthz" in run.reasons


@pytest.mark.slow
def test_a_view_only_token_that_nobody_knows_blocks_nothing(directly: Directly, controller: Controller) -> None:
    controller.sql("UPDATE api_tokens SET revoked_at = now() WHERE name <> 'tsse-validation'")
    run = directly(*FEW, "--skip-backfill")
    assert (run.code, run.verdict.outcome) == (EXIT_INCOMPLETE, Outcome.INCOMPLETE), run
    assert run.red.keys() == {"view_only_token_cannot_create_a_job"}
    assert not run.status(CheckStatus.BLOCKED)
    assert run.verdict.rows_compared > 0


@pytest.fixture
def half_a_lake(tmp_path: Path, controller: Controller) -> Path:
    """Return a hot directory with the controller's state, and dates that nobody can list."""
    hot = tmp_path / "hot"
    (hot / "metrics").mkdir(parents=True)
    (hot / "_state").symlink_to(controller.paths.hot / "_state")
    (hot / "metrics/v1").symlink_to("v1")
    return hot


def test_a_lake_that_cannot_be_read_beyond_its_state_leaves_the_api_to_be_looked_at(
    runbook: Runbook, controller: Controller, half_a_lake: Path
) -> None:
    given = [argument for argument in controller.directly() if not argument.startswith("--hot-path")]
    run = runbook(*FEW, *given, f"--hot-path={half_a_lake}", env=controller.environment)
    blocked_by(run, "direct_inspection_agrees_with_the_api", LAKE, 4)
    assert run.check("database_is_the_controllers").status is CheckStatus.PASSED


@contextmanager
def _another_database(controller: Controller) -> Iterator[str]:
    conninfo = new_database(controller.postgres, "another", options="-c search_path=public")
    put_rows(conninfo, [controller.sensor()])
    yield conninfo
    controller.postgres.drop_database("another")


@contextmanager
def _no_rights(controller: Controller) -> Iterator[str]:
    with as_reader(controller.conninfo, rights="") as conninfo:
        yield conninfo


OTHERS: dict[str, tuple[Callable[..., object], str, int]] = {
    "another database": (_another_database, "database_is_the_controllers", 4),
    "a role without rights": (_no_rights, "postgres_answers_a_query", 2),
}


@pytest.mark.parametrize("name", OTHERS)
def test_another_dsn_that_cannot_serve_blocks_no_more(
    name: str, directly: Directly, controller: Controller
) -> None:
    led, red, from_step = OTHERS[name]
    with led(controller) as conninfo:  # type: ignore[attr-defined]
        run = directly(*FEW, env={"TSSE_DATABASE_URL": conninfo})
    blocked_by(run, red, POSTGRES, from_step)


@pytest.mark.slow
def test_what_the_api_shows_of_a_lost_file_is_no_go_beside_a_wrong_password(
    directly: Directly, controller: Controller
) -> None:
    for ago in range(1, 10):
        lake_file(controller, controller.sensor(), days_ago(ago)).unlink()
    wrong = make_conninfo(controller.conninfo, password="not-the-password")
    run = directly(*FEW, env={"TSSE_DATABASE_URL": wrong})
    assert (run.code, run.verdict.outcome) == (EXIT_NO_GO, Outcome.NO_GO), run
    assert run.check("parity_job_finds_no_mismatch").status is CheckStatus.FAILED
    assert not run.result.backfills
