"""What the runbook's checks have found, held against the model."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from tests.integration.stateful.model import DAY, MICROSECOND, Key, Model, Promise, Totals, days_of, midnight
from tests.integration.stateful.validation import Validation
from tsse_validation.runlog.records import CheckStatus


def hold_differences(found: Mapping[Key, str], expected: Mapping[Key, frozenset[str | None]]) -> None:
    """Hold what was found against what the model says: all that is certain, and nothing that cannot be."""
    for key in found.keys() | expected.keys():
        assert found.get(key) in expected.get(key, {None}), (key, found.get(key), expected.get(key))


def hold_statuses(found: Validation, model: Model, promise: Promise, now: datetime) -> None:
    """Hold the status of each check against the model's; where a crash has left two, either may be."""
    differing = bool(found.result.differences)
    compared = any(counts.due for counts in model.totals(promise).values())
    rows = CheckStatus.FAILED if differing else CheckStatus.PASSED if compared else CheckStatus.NOT_CHECKED
    assert found.statuses["every_due_row_is_in_the_lake_unchanged"] is rows, found.messages
    days = CheckStatus.FAILED if differing else CheckStatus.PASSED if found.days else CheckStatus.NOT_CHECKED
    assert found.statuses["counts_agree_for_every_sensor_and_day"] is days, found.messages
    ahead = model.watermark is not None and model.watermark - now > timedelta(seconds=2)
    future = CheckStatus.FAILED if ahead else CheckStatus.PASSED
    assert found.statuses["watermark_is_set_and_not_in_the_future"] is future, found.messages
    assert found.statuses["no_temporary_file_is_left"] is CheckStatus.PASSED, found.messages
    assert found.statuses["parity_job_counts_as_we_do"] in {CheckStatus.PASSED, CheckStatus.BLOCKED}, (
        found.messages
    )
    assert found.statuses["counts_agree_for_every_sensor"] in _status_of_counts(model.totals(promise)), (
        found.messages
    )
    assert found.statuses["dates_with_rows_have_partitions_and_no_others"] in _status_of_dates(model, promise), (
        found.messages
    )


def _status_of_counts(totals: Mapping[str, Totals]) -> set[CheckStatus]:
    counted = [of for of in totals.values() if of.due or of.not_due or of.lake_most]
    maybe_equal = all(of.lake_least <= of.due <= of.lake_most for of in counted)
    surely_equal = all(of.lake_least == of.due == of.lake_most for of in counted)
    right = {CheckStatus.PASSED} if any(of.due or of.not_due or of.lake_least for of in counted) else set()
    if not right:
        right = {CheckStatus.NOT_CHECKED}
    return right if surely_equal else right | {CheckStatus.FAILED} if maybe_equal else {CheckStatus.FAILED}


def _status_of_dates(model: Model, promise: Promise) -> set[CheckStatus]:
    due, known, surely, maybe = model.dates(promise)
    whole = {
        day
        for day in days_of(promise.start, promise.end + MICROSECOND)
        if promise.start <= midnight(day) and midnight(day) + DAY - MICROSECOND <= promise.end
    }
    if not due:
        return {CheckStatus.NOT_CHECKED}
    if due - maybe or (surely & whole) - known:
        return {CheckStatus.FAILED}
    open_ends = (due - surely) | ((maybe & whole) - known)
    return {CheckStatus.PASSED, CheckStatus.FAILED} if open_ends else {CheckStatus.PASSED}
