"""Checks, steps, counts and windows as the reports show them."""

from datetime import timedelta

import pytest

from tests.support.builders import START, WINDOW, counts_taken, finished, planned, run_started, stack_described
from tests.support.report_builders import (
    ALL,
    BAD_DAY,
    BAD_SENSOR,
    DAYS,
    LOST,
    crashed,
    go,
    live_api_only,
    no_go,
    result,
)
from tsse_validation.domain.catalogue import CHECKS, STEP_NAMES
from tsse_validation.domain.windows import Window
from tsse_validation.report.html.html_pages import render_page
from tsse_validation.report.markdown.markdown_report import render_markdown
from tsse_validation.report.model.checks import StepState, check_lines, missing_lines, step_lines
from tsse_validation.report.model.counts import MAX_CELLS, MAX_SENSORS, counts_tables, day_tables
from tsse_validation.report.model.document import ReportDocument
from tsse_validation.report.model.view import view_of, window_fails
from tsse_validation.runlog.records import CheckStatus, CountRow, RowsCompared, WindowChecked
from tsse_validation.runlog.result import RunResult


def row(sensor: str, postgres: int = 5, lake: int = 5, *, matches: bool = True) -> CountRow:
    return CountRow(sensor, None, postgres, lake, 0, 0, matches)


def test_our_counts_and_the_job_s_stand_side_by_side() -> None:
    (table,) = counts_tables(no_go())
    first = table.lines.items[0]
    assert first.sensor_id == BAD_SENSOR
    assert first.direct is not None
    assert first.job is not None
    assert first.direct.postgres - first.direct.lake == first.job.postgres - first.job.lake == LOST
    assert table.lines.items[-1].job is None
    assert table.mismatching == 1


def test_counts_of_different_windows_are_not_mixed() -> None:
    later = Window(start=WINDOW.start, end=WINDOW.end + timedelta(seconds=1))
    run = result(run_started(), counts_taken(row("a")), counts_taken(row("a"), source="job", window=later))
    assert [(table.direct is None, table.job is None) for table in counts_tables(run)] == [
        (False, True),
        (True, False),
    ]


def test_counts_that_came_in_parts_make_one_table() -> None:
    run = result(run_started(), counts_taken(row("a"), source="job"), counts_taken(row("b"), source="job"))
    (table,) = counts_tables(run)
    assert table.lines.total == 2


def test_a_second_count_of_a_sensor_never_hides_the_first() -> None:
    run = result(
        run_started(),
        counts_taken(row("a", 5, 4, matches=False), source="job"),
        counts_taken(row("a"), source="job"),
    )
    assert [table.mismatching for table in counts_tables(run)] == [1, 0]


def test_a_row_that_claims_to_match_with_unequal_numbers_is_shown_as_a_mismatch() -> None:
    run = result(run_started(), counts_taken(row("a", 5, 4, matches=True)))
    (table,) = counts_tables(run)
    assert table.mismatching == 1


def test_a_count_that_found_no_sensor_is_still_shown() -> None:
    (table,) = counts_tables(result(run_started(), counts_taken(source="job")))
    assert table.job is not None
    assert table.lines.total == 0


def test_long_tables_are_cut_after_the_mismatches_with_the_true_total_kept() -> None:
    rows = [row(f"s{number:05}") for number in range(MAX_SENSORS)] + [row("zz", 5, 4, matches=False)]
    (table,) = counts_tables(result(run_started(), counts_taken(*rows)))
    assert table.lines.items[0].sensor_id == "zz"
    assert table.lines.total == MAX_SENSORS + 1
    assert table.lines.hidden == 1
    assert table.direct is not None
    assert table.direct.rows == MAX_SENSORS + 1


def test_days_are_summed_and_only_the_mismatching_cells_are_kept() -> None:
    (table,) = day_tables(no_go())
    assert [day for day, _ in table.days] == list(DAYS)
    assert [(cell.day, cell.sensor_id) for cell in table.cells.items] == [(BAD_DAY, BAD_SENSOR)]
    assert sum(totals.postgres for _, totals in table.days) == table.totals.postgres
    assert {day: totals.mismatching for day, totals in table.days if totals.mismatching} == {BAD_DAY: 1}


def test_slices_that_adjoin_are_shown_as_one_range_and_a_second_count_as_another() -> None:
    halves = WINDOW.halves()
    first, second = (row("a")._replace(day=day) for day in DAYS[:2])
    slices = [counts_taken(of_day, window=half) for of_day, half in zip((first, second), halves, strict=True)]
    run = result(run_started(), *slices, slices[0], counts_taken(row("a"), source="job"))
    assert [(table.window, len(table.days)) for table in day_tables(run)] == [(WINDOW, 2), (halves[0], 1)]
    assert [window for window, _ in view_of(ReportDocument.of(run)).windows_validated] == [halves[0], WINDOW]


def test_mismatching_cells_are_cut_with_the_true_total_kept() -> None:
    rows = [row(f"s{number}", 5, 4, matches=False)._replace(day=BAD_DAY) for number in range(MAX_CELLS + 3)]
    (table,) = day_tables(result(run_started(), counts_taken(*rows)))
    assert len(table.cells.items) == MAX_CELLS
    assert table.cells.total == table.totals.mismatching == MAX_CELLS + 3


def test_the_true_number_of_differing_rows_is_kept_when_the_log_lists_fewer() -> None:
    reach = RowsCompared(
        level="rows", window=WINDOW, days=1, rows=9, sensors=1, differing=9_000, not_due=0, pending=0
    )
    view = view_of(ReportDocument.of(result(run_started(), reach)))
    assert view.differences.total == 9_000


def test_windows_are_summed_per_edge_and_source() -> None:
    view = view_of(ReportDocument.of(no_go()))
    assert [(line.edge, line.source, line.windows, line.failing) for line in view.edges] == [
        ("UTC midnight", "direct", 4, 1),
        ("at the watermark", "direct", 4, 0),
        ("one microsecond", "direct", 4, 0),
        ("UTC midnight", "job", 1, 0),
    ]
    assert view.windows_failing.total == 1


def test_a_window_whose_sums_agree_but_whose_sensors_do_not_fails() -> None:
    window = WindowChecked(
        edge="e", source="job", start=START, end=START, postgres=5, lake=5, sensors=2, mismatching=("a", "b")
    )
    assert window_fails(window)


def test_a_window_without_mismatch_does_not_fail() -> None:
    assert not any(map(window_fails, go().windows))


def test_what_was_late_in_the_job_s_counts_is_shown_as_counted_and_is_no_mismatch() -> None:
    late = counts_taken(row("a", 5, 4, matches=False), row("b", 5, 3, matches=False), source="job")
    run = result(run_started(), late.model_copy(update={"late": ("a",)}))
    (table,) = counts_tables(run)
    assert {line.sensor_id: line.matches for line in table.lines.items} == {"a": True, "b": False}
    assert (table.mismatching, table.job and table.job.mismatching) == (1, 1)
    assert view_of(ReportDocument.of(run)).mismatching_sensors == 1
    markdown = render_markdown(ReportDocument.of(run))
    assert "| `a` | 5 | 4 | late, no fault |" in markdown
    assert "| `b` | 5 | 3 | ❌ |" in markdown
    assert "late, no fault" in render_page(ReportDocument.of(run))


def test_our_own_count_that_differs_is_a_mismatch_whatever_was_late_in_the_job_s() -> None:
    late = counts_taken(row("a", 5, 4, matches=False), source="job").model_copy(update={"late": ("a",)})
    (table,) = counts_tables(result(run_started(), late, counts_taken(row("a", 5, 4, matches=False))))
    assert table.mismatching == 1


def test_a_window_whose_rows_were_late_does_not_fail() -> None:
    fields = {"edge": "random", "source": "job", "start": START, "end": START, "sensors": 1}
    window = WindowChecked.model_validate(fields | {"postgres": 5, "lake": 4, "late": ("a",)})
    assert not window_fails(window)
    assert window_fails(window.model_copy(update={"late": ()}))
    assert window_fails(window.model_copy(update={"mismatching": ("b",)}))
    of = ReportDocument.of(result(run_started(), window))
    for said in (render_page(of), render_markdown(of)):
        assert "1 window differs by rows that arrived late: no fault." in said
        assert "No window fails." in said


def states(of: RunResult) -> dict[int, StepState]:
    return {step.number: step.state for step in step_lines(ReportDocument.of(of))}


@ALL
def test_every_check_of_the_catalogue_is_shown_once_in_its_order(of: RunResult) -> None:
    assert [line.key for line in check_lines(ReportDocument.of(of))] == list(CHECKS)


@ALL
def test_what_is_shown_as_not_checked_is_what_the_verdict_counts(of: RunResult) -> None:
    document = ReportDocument.of(of)
    shown = {
        (check.check_id, line.tolerated) for line in missing_lines(check_lines(document)) for check in line.checks
    }
    assert shown == {(missing.check_id, missing.tolerated) for missing in document.verdict.not_checked}


def test_an_interrupted_check_is_told_from_those_that_never_began() -> None:
    lines = {line.key: line for line in check_lines(ReportDocument.of(crashed()))}
    assert lines["test_backfill_job_completes"].message.startswith("interrupted: under way since")
    assert lines["test_backfill_keeps_its_promises"].message == "not run"
    assert lines["test_backfill_job_completes"].seconds is None


def test_a_failed_check_fails_its_step_and_a_blocked_one_leaves_it_incomplete() -> None:
    found = states(no_go())
    assert found[5] is StepState.PROVEN
    assert found[6] is StepState.FAILED
    assert found[7] is StepState.INCOMPLETE


def test_a_step_whose_checks_are_excused_is_proven_in_part() -> None:
    found = states(live_api_only())
    assert found[1] is StepState.LIMITED
    assert found[2] is StepState.PROVEN


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (CheckStatus.BLOCKED, StepState.BLOCKED),
        (CheckStatus.UNPROVEN, StepState.INCOMPLETE),
        (CheckStatus.NOT_CHECKED, StepState.NOT_CHECKED),
        (CheckStatus.WARNED, StepState.PROVEN),
        (CheckStatus.FAILED, StepState.FAILED),
    ],
)
def test_a_step_whose_checks_all_ended_alike_has_that_state(status: CheckStatus, state: StepState) -> None:
    checks = [finished(spec.key, status, message="why") for spec in CHECKS.values()]
    found = states(result(run_started(), stack_described(), *map(planned, CHECKS), *checks))
    assert set(found.values()) == {state}
    assert set(found) == set(STEP_NAMES)


def test_a_step_tells_its_checks_apart_by_how_they_ended() -> None:
    steps = {step.number: step for step in step_lines(ReportDocument.of(no_go()))}
    assert steps[6].tally == "4 passed, 2 failed"
    assert steps[7].unproven_reasons == ("blocked: step 6 (parity) failed",)
    assert steps[7].seconds == pytest.approx(5.6)


def test_a_check_outside_the_catalogue_is_shown_after_those_in_it() -> None:
    stray = finished("test_watermark_is_recent").model_copy(update={"key": "test_new", "check_id": "new"})
    lines = check_lines(ReportDocument.of(result(run_started(), stack_described(), *map(planned, CHECKS), stray)))
    assert [line.key for line in lines if line.step == 5][-1] == "test_new"
