"""How deep step 6 looks, how it narrows down, heals and resumes, all as asked on the command line."""

from datetime import timedelta

import pytest

from tests.support.command import EXIT_INCOMPLETE, EXIT_NO_GO, QUICK, Directly, Runbook
from tests.support.controller import Controller, days_ago
from tests.support.damage import at_row, lake_file, next_double, rewrite
from tsse_validation.domain.instants import DAY, day_start, format_rfc3339
from tsse_validation.domain.outcome import Outcome
from tsse_validation.runlog.records import CheckStatus

LOOK_ONLY = (*QUICK, "--skip-backfill", "--max-job-windows=0")
ROWS = "every_due_row_is_in_the_lake_unchanged"
SPOT = "parity_job_finds_no_mismatch"


def test_counts_alone_do_not_see_a_changed_value_and_are_no_go_ahead(
    directly: Directly, controller: Controller
) -> None:
    rewrite(
        lake_file(controller, controller.sensor(), days_ago(5)), at_row(controller.sensor(), "value", next_double)
    )
    run = directly(*LOOK_ONLY, "--level=count")
    assert (run.code, run.verdict.outcome) == (EXIT_INCOMPLETE, Outcome.INCOMPLETE), run
    assert run.check(ROWS).status is CheckStatus.NOT_CHECKED
    assert "equal counts do not prove equal rows" in run.check(ROWS).message


@pytest.mark.parametrize("level", ["digest", "rows"])
def test_digests_and_rows_see_a_value_that_is_one_ulp_off(
    level: str, directly: Directly, controller: Controller
) -> None:
    sensor = controller.sensor()
    rewrite(lake_file(controller, sensor, days_ago(5)), at_row(sensor, "value", next_double))
    run = directly(*LOOK_ONLY, f"--level={level}")
    assert (run.code, run.verdict.outcome) == (EXIT_NO_GO, Outcome.NO_GO), run
    (compared,) = run.result.rows_compared
    (difference,) = run.result.differences
    assert (compared.level, compared.differing) == (level, 1)
    assert (difference.kind, difference.sensor_id, difference.ts.date()) == ("changed_value", sensor, days_ago(5))


@pytest.mark.slow
def test_a_damaged_lake_is_healed_when_asked_and_still_no_go(directly: Directly, controller: Controller) -> None:
    lake_file(controller, controller.sensor(), days_ago(5)).unlink()
    run = directly(*LOOK_ONLY, "--heal-check")
    assert (run.code, run.verdict.outcome) == (EXIT_NO_GO, Outcome.NO_GO), run
    healed = run.findings(flagged=False)["healed by a backfill"]
    assert "none does after a backfill" in healed.summary
    assert "run the whole validation again" in healed.next_step
    assert lake_file(controller, controller.sensor(), days_ago(5)).is_file()


@pytest.mark.slow
def test_by_the_api_alone_a_loss_is_narrowed_down_to_its_time(runbook: Runbook, controller: Controller) -> None:
    day = days_ago(3)
    start, end = day_start(day), day_start(day) + DAY
    sensor = controller.sensor()
    lake_file(controller, sensor, day).unlink()
    run = runbook(
        *controller.by_api(),
        *LOOK_ONLY,
        f"--window-start={format_rfc3339(start)}",
        f"--window-end={format_rfc3339(end)}",
        f"--sensor-ids={sensor}",
    )
    assert (run.code, run.verdict.outcome) == (EXIT_NO_GO, Outcome.NO_GO), run
    assert run.red.keys() == {SPOT}
    narrowed = [found for found in run.result.findings if "narrowed down" in found.evidence]
    ((lost,),) = controller.sql(
        "SELECT count(*) FROM metrics WHERE sensor_id = %s AND ts >= %s AND ts < %s", sensor, start, end
    )
    assert [(found.sensors, found.rows) for found in narrowed] == [((sensor,), lost)]
    assert narrowed[0].days[0] == day
    assert 3 <= run.posts.by_purpose["narrow"] <= 10


def test_an_interrupted_proof_goes_on_where_it_was(directly: Directly) -> None:
    first = directly(*LOOK_ONLY)
    # what an interrupted run leaves: a log without an end, with the days that were proven by then
    log = first.directory / "run.jsonl"
    lines = [line for line in log.read_text().splitlines(keepends=True) if '"run_finished"' not in line]
    log.write_text("".join(lines))
    run = directly(*LOOK_ONLY, f"--resume={log}")
    assert first.result.started.run_id in " ".join(note.text for note in run.result.notes)
    assert run.check(ROWS).status is CheckStatus.PASSED
    taken_over = {counts.window.start for counts in run.result.counts if counts.watermark is None}
    assert len(taken_over) >= 8
    compared_anew = [counts for counts in run.result.counts if counts.source == "direct" and counts.watermark]
    assert any(counts.window.end - counts.window.start < timedelta(days=1) for counts in compared_anew)
    (before,), (after,) = first.result.rows_compared, run.result.rows_compared
    assert after.rows >= before.rows
