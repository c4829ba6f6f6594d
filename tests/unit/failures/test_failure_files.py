"""Which files a failure has touched without a reason."""

from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from tsse_validation.failures.arena_files import FileSeen, leftovers, touched_files

DAYS = [date(2026, 1, 2), date(2026, 1, 3)]
PATHS = [
    f"{place}/metrics/v1/date={day}/shard=0{shard}/{name}.parquet"
    for place in ("hot", "cold")
    for day in DAYS
    for shard in (0, 1)
    for name in ("part-a-0", "backfill-b-0")
]
LAKES = st.dictionaries(st.sampled_from(PATHS), st.builds(FileSeen, st.just(9), st.sampled_from("xy")))
A = "hot/metrics/v1/date=2026-01-02/shard=00/part-a-0.parquet"
B = "hot/metrics/v1/date=2026-01-02/shard=00/part-b-0.parquet"
MERGED = "hot/metrics/v1/date=2026-01-02/shard=00/compact-c.parquet"
SEEN = FileSeen(9, "x")


@given(LAKES, LAKES)
def test_a_lake_with_more_files_is_untouched(before: dict[str, FileSeen], more: dict[str, FileSeen]) -> None:
    assert touched_files(before, more | before, allowed=(), proven=()) == []


@given(LAKES, LAKES)
def test_each_file_that_is_not_as_it_was_is_told_once_where_no_reason_is(
    before: dict[str, FileSeen], after: dict[str, FileSeen]
) -> None:
    told = touched_files(before, after, allowed=(), proven=DAYS)
    wanted = {
        path
        for path, seen in before.items()
        if after.get(path) != seen
        and (
            path in after
            or after.get(path.replace("hot/", "#").replace("cold/", "hot/").replace("#", "cold/")) != seen
        )
    }
    assert {line.split(" ")[0] for line in told} == wanted
    assert len(told) == len(wanted)


@given(LAKES, LAKES)
def test_on_dates_that_a_scenario_may_touch_nothing_is_told(
    before: dict[str, FileSeen], after: dict[str, FileSeen]
) -> None:
    assert touched_files(before, after, allowed=DAYS, proven=()) == []


def test_files_that_a_compaction_has_merged_are_not_missed_where_the_rows_were_compared() -> None:
    before, after = {A: SEEN, B: SEEN}, {MERGED: FileSeen(15, "z")}
    assert touched_files(before, after, allowed=(), proven=DAYS) == []
    assert touched_files(before, after, allowed=(), proven=()) == [f"{A} is gone", f"{B} is gone"]


def test_a_compaction_of_another_shard_explains_nothing() -> None:
    after = {MERGED.replace("shard=00", "shard=01"): SEEN}
    assert touched_files({A: SEEN}, after, allowed=(), proven=DAYS) == [f"{A} is gone"]


def test_a_file_that_moved_to_the_other_place_and_changed_on_the_way_is_gone() -> None:
    cold = A.replace("hot/", "cold/", 1)
    assert touched_files({A: SEEN}, {cold: SEEN}, allowed=(), proven=()) == []
    assert touched_files({A: SEEN}, {cold: FileSeen(9, "y")}, allowed=(), proven=()) == [f"{A} is gone"]


def test_a_state_file_changes_by_nature() -> None:
    before = {"hot/_state/manifest.json": SEEN}
    assert touched_files(before, {}, allowed=(), proven=()) == []


def test_files_in_the_making_are_left_over() -> None:
    assert list(leftovers({A: SEEN, f"{B}.tmp": SEEN})) == [f"{B}.tmp"]
