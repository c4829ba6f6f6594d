"""A run beside an earlier one."""

from tests.support.report_builders import (
    BAD_DAY,
    BAD_SENSOR,
    SENSORS,
    crashed,
    go,
    job_counts,
    live_api_only,
    no_go,
)
from tests.unit.report.test_report_html import Page
from tsse_validation.report.html.html_pages import render_page
from tsse_validation.report.model.compare import compare
from tsse_validation.report.model.document import ReportDocument
from tsse_validation.runlog.records import CheckStatus
from tsse_validation.runlog.result import RunResult

BAD = {(BAD_SENSOR, BAD_DAY), (SENSORS[2], BAD_DAY)}


def document(of: RunResult) -> ReportDocument:
    return ReportDocument.of(of)


def test_what_matches_now_has_healed() -> None:
    compared = compare(document(no_go()), document(go()))
    assert set(compared.healed.items) == BAD
    assert not compared.new.total + compared.still.total + compared.unknown.total


def test_what_did_not_match_before_is_new_and_what_matches_neither_time_is_still_there() -> None:
    assert set(compare(document(go()), document(no_go())).new.items) == BAD
    assert set(compare(document(no_go()), document(no_go())).still.items) == BAD


def test_what_was_not_looked_at_again_has_not_healed() -> None:
    by_counts_only = go().model_copy(update={"rows_compared": ()})
    for later in (crashed(), live_api_only(), by_counts_only, go().model_copy(update={"counts": (job_counts(),)})):
        compared = compare(document(no_go()), document(later))
        assert compared.healed.total == 0
        assert set(compared.unknown.items) == BAD


def test_checks_that_ended_differently_and_those_that_got_slower_are_named() -> None:
    slow = go()
    checks = [check.model_copy(update={"duration_seconds": 9.0}) for check in slow.checks[:1]]
    later = slow.model_copy(update={"checks": (*checks, *slow.checks[1:])})
    compared = compare(document(no_go()), document(later))
    assert [(line.check_id, line.after) for line in compared.slower.items] == [(checks[0].check_id, 9.0)]
    statuses = {line.check_id: (line.before, line.after) for line in compared.changed.items}
    assert statuses["counts_agree_for_every_sensor"] == (CheckStatus.FAILED, CheckStatus.PASSED)
    assert "postgres_answers" not in statuses


def test_sensors_that_only_the_job_has_counted_are_compared_too_and_none_is_called_healed() -> None:
    before = live_api_only().model_copy(update={"counts": (job_counts(lost=7),)})
    after = before.model_copy(update={"counts": (job_counts(),)})
    gone = before.model_copy(update={"counts": ()})

    def by_job(one: RunResult, other: RunResult) -> dict[str, tuple[str, ...]]:
        groups = compare(document(one), document(other)).by_job
        return {name: sensors.items for name, _, sensors in groups if sensors.items}

    assert by_job(after, before) == {"new": (BAD_SENSOR,)}
    assert by_job(before, before) == {"still there": (BAD_SENSOR,)}
    assert by_job(before, gone) == {"not counted this time": (BAD_SENSOR,)}
    assert by_job(before, after) == {"counts agree now": (BAD_SENSOR,)}
    assert compare(document(before), document(after)).healed.total == 0


def test_diagnoses_are_told_with_their_rows_then_and_now() -> None:
    compared = compare(document(go()), document(no_go()))
    assert [(line.name, line.before, line.after) for line in compared.diagnoses.items] == [
        ("partition lost rows", None, 7)
    ]
    assert compare(document(no_go()), document(go())).diagnoses.items[0].after is None


def test_the_numbers_that_changed_are_told_then_and_now_and_no_others() -> None:
    figures = {line.name: (line.before, line.after) for line in compare(document(go()), document(no_go())).figures}
    assert figures["Verdict"] == ("GO", "NO-GO")
    assert figures["Differing rows"] == ("0", "3")
    assert "Lake files" not in figures
    unmeasured = go().model_copy(update={"partitions": ()})
    figures = {
        line.name: (line.before, line.after) for line in compare(document(unmeasured), document(go())).figures
    }
    assert figures["Lake files"] == ("not measured", "1,457")


def test_the_page_shows_it_only_when_asked() -> None:
    text = Page(render_page(document(go()), earlier=document(no_go()))).text
    assert "NO-GO then" in text
    assert "healed 2 cells" in text
    assert "Compared with an earlier run" not in Page(render_page(document(go()))).text
