"""Counting and reading lake rows: deduplicated, as of a watermark, while compaction goes on."""

import math
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.clients.conftest import Told
from tests.support.builders import Row, keys_table, rows_table
from tsse_validation.domain.contract import DATASET
from tsse_validation.domain.coverage import Coverage, Scope
from tsse_validation.domain.digest import KEY_SCHEMA, ROW_SCHEMA
from tsse_validation.domain.errors import PromiseBrokenError
from tsse_validation.domain.instants import DAY, MICROSECOND, day_start
from tsse_validation.domain.stack import LakePaths
from tsse_validation.domain.windows import Window
from tsse_validation.lake.reader import LakeListing, LakeReader
from tsse_validation.lake.rows import LakeRows

NOON = datetime(2026, 1, 24, 12, tzinfo=UTC)
TODAY = NOON.date()
MARK = NOON + timedelta(hours=1)
COVERAGE = Coverage(NOON - 90 * DAY, NOON, MARK)
WHOLE_DAY = Window(day_start(TODAY), day_start(TODAY) + DAY - MICROSECOND)
NONE_LATE = KEY_SCHEMA.empty_table()
SECOND = timedelta(seconds=1)
SENSORS = ["a", "b"]


class Lake:
    def __init__(self, root: Path) -> None:
        self.hot = root / "hot"
        state = self.hot / "_state"
        state.mkdir(parents=True)
        (state / "manifest.json").write_text("{}", encoding="utf-8")
        self.reader = LakeReader(LakePaths(self.hot))

    def write(self, name: str, rows: Sequence[Row], day: date = TODAY, shard: str = "00") -> Path:
        path = self.hot / DATASET / f"date={day}" / f"shard={shard}" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(rows_table(rows), path, compression="zstd")
        return path

    @property
    def rows(self) -> LakeRows:
        return LakeRows(self.reader)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path)


def row(value: float = 1.0, inserted_at: datetime | None = NOON, *, sensor: str = "a", ts: datetime = NOON) -> Row:
    return (sensor, ts, value, 0, inserted_at)


def newest(lake: Lake, window: Window = WHOLE_DAY) -> list[Any]:
    table = lake.rows.newest_rows(Scope(window, COVERAGE), SENSORS)
    assert table.schema == ROW_SCHEMA
    return sorted(
        (r["sensor_id"], utc(r["ts"]), r["value"], r["quality"], utc(r["inserted_at"])) for r in table.to_pylist()
    )


def utc(naive: datetime | None) -> datetime | None:
    return naive.replace(tzinfo=UTC) if naive else None


# ---- counting --------------------------------------------------------------------------------------------------


def test_an_empty_lake_counts_nothing(lake: Lake) -> None:
    assert lake.rows.counts(Scope(WHOLE_DAY, COVERAGE), NONE_LATE) == {}
    assert newest(lake) == []


def test_keys_are_counted_by_sensor_over_all_files_of_the_window(lake: Lake) -> None:
    lake.write("part-1-0.parquet", [row(), row(ts=NOON + SECOND)])
    lake.write("part-2-0.parquet", [row(sensor="b")], shard="07")
    lake.write("part-3-0.parquet", [row(ts=NOON - DAY)], day=TODAY - DAY)
    two_days = Window(WHOLE_DAY.start - DAY, WHOLE_DAY.end)
    assert lake.rows.counts(Scope(WHOLE_DAY, COVERAGE), NONE_LATE) == {"a": (2, 0), "b": (1, 0)}
    assert lake.rows.counts(Scope(two_days, COVERAGE), NONE_LATE) == {"a": (3, 0), "b": (1, 0)}


def test_a_row_that_stands_in_several_files_counts_once(lake: Lake) -> None:
    for number in range(3):
        lake.write(f"part-{number}-0.parquet", [row(), row()])
    assert lake.rows.counts(Scope(WHOLE_DAY, COVERAGE), NONE_LATE) == {"a": (1, 0)}


def test_rows_as_they_stand_are_all_copies_due_or_not_of_the_sensors_asked_for(lake: Lake) -> None:
    late = MARK + SECOND
    lake.write("backfill-1-0.parquet", [("a", NOON, 1.0, 0, NOON), ("b", NOON, 1.0, 0, NOON)])
    lake.write("part-2-0.parquet", [("a", NOON, 2.0, 0, MARK), ("a", NOON + SECOND, 2.0, 0, late)])
    yesterday = WHOLE_DAY.start - MICROSECOND
    lake.write("part-1-0.parquet", [("a", yesterday, 1.0, 0, NOON)], day=yesterday.date())
    both_days = Window(WHOLE_DAY.start - DAY, WHOLE_DAY.end)
    assert lake.rows.rows_as_they_stand(WHOLE_DAY, ["a", "none"]) == {"a": 3}
    assert lake.rows.rows_as_they_stand(both_days, ["a", "b"]) == {"a": 4, "b": 1}
    assert lake.rows.rows_as_they_stand(Window(NOON + MICROSECOND, NOON + SECOND), ["a"]) == {"a": 1}


def test_both_ends_of_a_window_are_counted_and_their_neighbours_are_not(lake: Lake) -> None:
    instants = [NOON + n * MICROSECOND for n in range(-2, 3)]
    lake.write("part-1-0.parquet", [row(ts=ts) for ts in instants])
    window = Window(NOON - MICROSECOND, NOON + MICROSECOND)
    assert lake.rows.counts(Scope(window, COVERAGE), NONE_LATE) == {"a": (3, 0)}
    assert len(newest(lake, window)) == 3


def test_what_the_lake_has_taken_up_after_the_watermark_does_not_count(lake: Lake) -> None:
    lake.write(
        "part-1-0.parquet", [row(ts=NOON, inserted_at=MARK), row(ts=NOON + SECOND, inserted_at=MARK + MICROSECOND)]
    )
    assert lake.rows.counts(Scope(WHOLE_DAY, COVERAGE), NONE_LATE) == {"a": (1, 0)}
    assert [found[1] for found in newest(lake)] == [NOON]


def test_a_row_without_an_insertion_time_counts(lake: Lake) -> None:
    lake.write("backfill-1-0.parquet", [row(inserted_at=None)])
    assert lake.rows.counts(Scope(WHOLE_DAY, COVERAGE), NONE_LATE) == {"a": (1, 0)}
    assert newest(lake) == [row(inserted_at=None)]


def test_what_is_not_due_is_counted_apart(lake: Lake) -> None:
    lake.write("part-1-0.parquet", [row(), row(ts=NOON + SECOND), row(sensor="b")])
    late = keys_table([("a", NOON), ("a", NOON + 5 * SECOND), ("b", NOON + SECOND)])
    assert lake.rows.counts(Scope(WHOLE_DAY, COVERAGE), late) == {"a": (2, 1), "b": (1, 0)}


def test_ids_of_any_spelling_are_counted(lake: Lake) -> None:
    strange = ["", "forecast|0", "ü'\"", "a b", "00", "NULL"]
    lake.write("part-1-0.parquet", [row(sensor=sensor) for sensor in strange])
    assert lake.rows.counts(Scope(WHOLE_DAY, COVERAGE), NONE_LATE) == dict.fromkeys(strange, (1, 0))


# ---- the newest row --------------------------------------------------------------------------------------------


def test_of_the_copies_of_a_row_the_one_that_was_inserted_last_counts(lake: Lake) -> None:
    lake.write("part-3-0.parquet", [row(2.0, NOON)])
    lake.write("part-1-0.parquet", [row(3.0, NOON + SECOND)])
    lake.write("part-2-0.parquet", [row(1.0, None)])
    assert newest(lake) == [row(3.0, NOON + SECOND)]


def test_the_newest_copy_is_that_of_the_watermark_and_not_one_after_it(lake: Lake) -> None:
    lake.write("part-1-0.parquet", [row(1.0, MARK)])
    lake.write("part-2-0.parquet", [row(2.0, MARK + MICROSECOND)])
    assert newest(lake) == [row(1.0, MARK)]


def test_values_come_back_bit_by_bit(lake: Lake) -> None:
    values = [math.nan, math.inf, -math.inf, 0.0, -0.0, 5e-324, math.nextafter(0.1, 1), 1.7976931348623157e308]
    lake.write("part-1-0.parquet", [row(value, ts=NOON + n * SECOND) for n, value in enumerate(values)])
    found = [found[2] for found in newest(lake)]
    assert [repr(value) for value in found] == [repr(value) for value in values]


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_a_copy_without_an_insertion_time_is_always_the_oldest(order: tuple[int, ...], lake: Lake) -> None:
    copies = [row(1.0, None), row(2.0, NOON), row(3.0, NOON + SECOND)]
    lake.write("part-1-0.parquet", [row(ts=NOON - SECOND, inserted_at=None), *(copies[n] for n in order)])
    assert newest(lake)[-1] == row(3.0, NOON + SECOND)


COPIES = st.lists(
    st.tuples(
        st.sampled_from(["a", "b"]),
        st.integers(0, 2).map(lambda n: NOON + n * MICROSECOND),
        st.integers(0, 3).map(float),
        st.sampled_from([None, NOON, NOON + SECOND, MARK, MARK + MICROSECOND]),
        st.sampled_from(["part-1-0.parquet", "part-2-0.parquet", "compact-1.parquet"]),
    ),
    max_size=12,
    # two copies of one row and one insertion time have no newest
    unique_by=lambda copy: (copy[0], copy[1], copy[3]),
)


@pytest.mark.usefixtures("_one_duckdb")
@settings(
    max_examples=settings().max_examples * 2 // 5,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(copies=COPIES)
def test_the_newest_rows_are_those_of_a_naive_search(
    copies: list[tuple[str, datetime, float, datetime | None, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    lake = Lake(tmp_path_factory.mktemp("lake"))
    for name in {copy[4] for copy in copies}:
        lake.write(name, [(s, ts, v, 0, at) for s, ts, v, at, file in copies if file == name])
    naive: dict[tuple[str, datetime], Row] = {}
    for sensor, ts, value, at, _name in sorted(
        copies, key=lambda copy: copy[3] or datetime.min.replace(tzinfo=UTC)
    ):
        if at is None or at <= MARK:
            naive[sensor, ts] = (sensor, ts, value, 0, at)
    assert newest(lake) == sorted(naive.values())
    counted = lake.rows.counts(Scope(WHOLE_DAY, COVERAGE), NONE_LATE)
    assert {sensor: keys for sensor, (keys, _pending) in counted.items()} == {
        sensor: sum(key[0] == sensor for key in naive) for sensor in {key[0] for key in naive}
    }


# ---- while compaction goes on, and files are broken ------------------------------------------------------------


class Counting(LakeReader):
    """Counts how often the directories are walked; `before` is called ahead of each walk."""

    def __init__(self, paths: LakePaths, before: Callable[[int], None] = lambda _walk: None) -> None:
        super().__init__(paths)
        self.walks = 0
        self.before = before

    def listing(self) -> LakeListing:
        self.walks += 1
        self.before(self.walks)
        return super().listing()


def test_files_that_compaction_replaces_are_looked_for_again(lake: Lake) -> None:
    old = [lake.write(f"part-{n}-0.parquet", [row(ts=NOON + n * SECOND)]) for n in range(3)]
    reader = Counting(LakePaths(lake.hot))
    rows = LakeRows(reader)
    lake.write("compact-1.parquet", [row(ts=NOON + n * SECOND) for n in range(3)])
    for path in old:
        path.unlink()
    assert rows.counts(Scope(WHOLE_DAY, COVERAGE), NONE_LATE) == {"a": (3, 0)}
    assert reader.walks == 2
    assert [file.path.name for file in rows.files_of([TODAY])] == ["compact-1.parquet"]
    assert rows.newest_rows(Scope(WHOLE_DAY, COVERAGE), SENSORS).num_rows == 3
    assert reader.walks == 2


def test_files_that_are_replaced_one_shard_after_the_other_are_looked_for_as_often(lake: Lake) -> None:
    # each file that a walk has found is replaced before it is read, but for those that were already
    shards = [f"{number:02d}" for number in range(6)]

    class Compacting(Counting):
        def listing(self) -> LakeListing:
            found = super().listing()
            if self.walks <= len(shards):
                shard = shards[self.walks - 1]
                (path,) = (file.path for file in found.files if file.shard == shard)
                path.rename(path.with_name("compact-1.parquet"))
            return found

    for number, shard in enumerate(shards):
        lake.write("part-1-0.parquet", [row(ts=NOON + number * SECOND)], shard=shard)
    reader = Compacting(LakePaths(lake.hot))
    assert LakeRows(reader).counts(Scope(WHOLE_DAY, COVERAGE), NONE_LATE) == {"a": (len(shards), 0)}
    assert reader.walks == len(shards) + 1


def test_a_lake_whose_files_vanish_for_ever_is_given_up(lake: Lake, told: Told) -> None:
    # each walk lists a file that is gone when it is read
    made: list[Path] = []

    class Vanishing(Counting):
        def listing(self) -> LakeListing:
            path = lake.write(f"part-{self.walks}-0.parquet", [row()])
            made.append(path)
            found = super().listing()
            path.unlink()
            return found

    reader = Vanishing(LakePaths(lake.hot))
    with told(PromiseBrokenError, "The lake cannot be read"):
        LakeRows(reader).counts(Scope(WHOLE_DAY, COVERAGE), NONE_LATE)
    assert reader.walks == len(made) == 3


def test_a_date_that_is_gone_when_it_is_looked_for_again_is_empty(lake: Lake) -> None:
    path = lake.write("part-1-0.parquet", [row()])
    rows = LakeRows(lake.reader)
    path.unlink()
    assert rows.counts(Scope(WHOLE_DAY, COVERAGE), NONE_LATE) == {}


@pytest.mark.parametrize("content", [b"", b"no parquet", b"PAR1" + b"\x00" * 64 + b"PAR1"])
def test_a_file_that_cannot_be_read_is_named(content: bytes, lake: Lake, told: Told) -> None:
    lake.write("part-1-0.parquet", [row()])
    broken = lake.write("part-2-0.parquet", [row(sensor="b")])
    broken.write_bytes(content)
    with told(PromiseBrokenError, "The lake cannot be read", "part-2-0.parquet"):
        lake.rows.counts(Scope(WHOLE_DAY, COVERAGE), NONE_LATE)


@pytest.mark.parametrize("content", [b"", b"no parquet", b"PAR1" + b"\x00" * 64 + b"PAR1"])
def test_a_file_that_cannot_be_read_is_set_aside_and_hides_no_other(content: bytes, lake: Lake) -> None:
    lake.write("part-1-0.parquet", [row()])
    broken = lake.write("part-2-0.parquet", [row(sensor="b")])
    broken.write_bytes(content)
    rows = lake.rows
    assert rows.newest_rows(Scope(WHOLE_DAY, COVERAGE), SENSORS)["sensor_id"].to_pylist() == ["a"]
    assert [file.path for file in rows.unreadable] == [broken]
    broken.unlink()
    lake.write("part-3-0.parquet", [row(sensor="b")])
    (lake.hot / DATASET / f"date={TODAY}" / "shard=00" / "part-1-0.parquet").unlink()
    assert rows.newest_rows(Scope(WHOLE_DAY, COVERAGE), SENSORS)["sensor_id"].to_pylist() == ["b"]
    assert rows.unreadable == {}


def test_missing_rows_are_looked_for_in_other_dates_and_in_the_place_not_taken(tmp_path: Path) -> None:
    lake, cold = Lake(tmp_path), tmp_path / "cold"
    lake.write("part-1-0.parquet", [row(ts=NOON - DAY), row(ts=NOON)], day=TODAY - DAY)
    lake.write("part-2-0.parquet", [row(ts=NOON + SECOND)])
    hidden = lake.write("part-3-0.parquet", [row(ts=NOON + 2 * SECOND)])
    target = cold / hidden.relative_to(lake.hot)
    target.parent.mkdir(parents=True)
    hidden.rename(target)
    rows = LakeRows(LakeReader(LakePaths(lake.hot, cold)))
    keys = keys_table([("a", NOON + n * SECOND) for n in range(4)])
    found = {utc(ts): (file.day, file.location) for (_, ts), file in rows.elsewhere(TODAY, keys).items()}
    assert found == {NOON: (TODAY - DAY, "hot"), NOON + 2 * SECOND: (TODAY, "cold")}
    assert rows.elsewhere(TODAY + DAY, keys) == {}


def test_a_file_that_is_broken_on_another_date_is_not_in_the_way(lake: Lake) -> None:
    lake.write("part-1-0.parquet", [row()])
    lake.write("part-1-0.parquet", [row()], day=TODAY - DAY).write_bytes(b"torn")
    assert lake.rows.counts(Scope(WHOLE_DAY, COVERAGE), NONE_LATE) == {"a": (1, 0)}


def test_a_torn_footer_is_told_and_not_taken_for_compaction(lake: Lake, told: Told) -> None:
    path = lake.write("part-1-0.parquet", [row(ts=NOON + n * SECOND) for n in range(1000)])
    path.write_bytes(path.read_bytes()[:-20])
    reader = Counting(LakePaths(lake.hot))
    rows = LakeRows(reader)
    with told(PromiseBrokenError, "The lake cannot be read"):
        rows.counts(Scope(WHOLE_DAY, COVERAGE), NONE_LATE)
    assert reader.walks == 1


def test_a_file_without_a_column_breaks_the_promise(lake: Lake, told: Told) -> None:
    path = lake.write("part-1-0.parquet", [row()])
    pq.write_table(rows_table([row()]).drop_columns(["inserted_at"]), path)
    with told(PromiseBrokenError, "The lake cannot be read", "inserted_at"):
        lake.rows.counts(Scope(WHOLE_DAY, COVERAGE), NONE_LATE)


def test_files_are_given_for_the_days_that_are_asked_for(lake: Lake) -> None:
    lake.write("part-1-0.parquet", [row()])
    lake.write("part-2-0.parquet", [row()], day=TODAY - DAY)
    found = lake.rows.files_of([TODAY])
    assert [(file.day, file.path.name) for file in found] == [(TODAY, "part-1-0.parquet")]
    assert lake.rows.files_of([]) == []


def test_a_table_of_keys_in_another_spelling_is_understood(lake: Lake) -> None:
    lake.write("part-1-0.parquet", [row()])
    late = keys_table([("a", NOON)])
    late = late.set_column(0, "sensor_id", late["sensor_id"].cast(pa.large_string()))
    assert lake.rows.counts(Scope(WHOLE_DAY, COVERAGE), late) == {"a": (1, 1)}
