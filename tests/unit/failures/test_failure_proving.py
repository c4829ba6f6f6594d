"""What is compared after a failure, and what a lake's state may not take back."""

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.builders import BEGIN, WATERMARK, replication
from tsse_validation.domain.contract import Replication
from tsse_validation.domain.coverage import Coverage
from tsse_validation.domain.errors import NotCheckedError, PromiseBrokenError
from tsse_validation.domain.instants import MICROSECOND, day_start, utc_day
from tsse_validation.domain.stack import STATE_DIR, LakePaths
from tsse_validation.failures.aftermath import hold_promise, scopes_of
from tsse_validation.lake.reader import LakeReader

EARLIER = Coverage.promised_by(replication())


def lake(directory: Path, state: Replication) -> LakeReader:
    (directory / STATE_DIR).mkdir()
    (directory / STATE_DIR / "replication.json").write_text(state.model_dump_json())
    return LakeReader(LakePaths(directory))


def test_a_state_that_goes_on_is_taken_as_it_is(tmp_path: Path) -> None:
    later = replication(computed_through_ts=WATERMARK + timedelta(minutes=1))
    assert hold_promise(lake(tmp_path, later), EARLIER) == Coverage.promised_by(later)


@pytest.mark.parametrize(
    ("state", "told"),
    [
        (Replication(schema_version=1), "lost its backfill"),
        (replication(computed_through_ts=WATERMARK - MICROSECOND), "watermark went back"),
        (replication(backfill_to_ts=WATERMARK - MICROSECOND), "older backfill"),
    ],
    ids=["empty", "an older watermark", "an older backfill"],
)
def test_a_state_that_promises_less_than_before_is_a_broken_promise(
    state: Replication, told: str, tmp_path: Path
) -> None:
    with pytest.raises(PromiseBrokenError, match=told):
        hold_promise(lake(tmp_path, state), EARLIER)


def test_a_lake_that_never_promised_anything_proves_nothing(tmp_path: Path) -> None:
    with pytest.raises(NotCheckedError):
        hold_promise(lake(tmp_path, Replication(schema_version=1)), None)


@given(st.integers(0, 80 * 86_400))
def test_a_shorter_backfill_leaves_the_earlier_range_to_be_compared_but_the_head_of_its_first_date(
    shift: int,
) -> None:
    begin = BEGIN + timedelta(seconds=shift)
    later = Coverage(begin, WATERMARK, WATERMARK)
    covered, *kept = scopes_of(later, EARLIER)
    assert covered.window.start == begin
    if utc_day(begin) == utc_day(BEGIN):
        assert kept == []
    else:
        (scope,) = kept
        assert (scope.window.start, scope.window.end + MICROSECOND) == (BEGIN, day_start(utc_day(begin)))
        assert scope.coverage.due(scope.window.start, WATERMARK)


def test_a_longer_backfill_is_compared_whole() -> None:
    longer = Coverage(BEGIN - timedelta(days=5), WATERMARK, WATERMARK)
    assert [scope.window for scope in scopes_of(longer, EARLIER)] == [longer.window]
