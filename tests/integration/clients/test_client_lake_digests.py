"""Digests of the lake's files: the same whether Arrow reads them straight or DuckDB's SQL does."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from unittest.mock import patch

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.builders import Row, keys_table, rows_table
from tsse_validation.domain.coverage import Coverage, Scope
from tsse_validation.domain.digest import ROW_SCHEMA, digest_days, rows_digested
from tsse_validation.domain.instants import DAY, MICROSECOND, day_start
from tsse_validation.domain.windows import Window
from tsse_validation.lake import arrow_rows, digesting
from tsse_validation.lake.digesting import digest_files
from tsse_validation.lake.reader import LakeFile
from tsse_validation.lake.sql import column_engine

TODAY = date(2026, 1, 24)
MIDNIGHT = day_start(TODAY)
NOON = MIDNIGHT + DAY / 2
MARK = NOON + timedelta(hours=1)
COVERAGE = Coverage(NOON - 90 * DAY, NOON, MARK)
TWO_DAYS = Window(MIDNIGHT - DAY, MIDNIGHT + DAY - MICROSECOND)
FOR_SQL = pa.schema([("sensor_id", pa.large_string()), *list(ROW_SCHEMA)[1:]])
"""Types that no writer of the lake uses, which hold the same: such a file is read by SQL."""

Place = tuple[date, str, str]
Files = Mapping[Place, Sequence[Row]]


def written(root: Path, files: Files, schema: pa.Schema = ROW_SCHEMA, **options: int) -> list[LakeFile]:
    found = []
    for (day, shard, name), rows in sorted(files.items()):
        path = root / f"date={day}" / f"shard={shard}" / f"{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(rows_table(rows).cast(schema), path, compression="zstd", **options)
        found.append(LakeFile(path, day, shard, "hot", path.stat().st_size))
    return found


def lines(
    files: Sequence[LakeFile], scope: Scope, late: Sequence[tuple[str, datetime]] = (), *, hashed: bool = True
) -> dict[tuple[str, str | None, date], tuple[int, int]]:
    table = digest_files(files, scope, keys_table(late), hashed=hashed)
    found = {
        (row["shard"], row["sensor_id"], row["day"]): (row["rows"], row["digest"]) for row in table.to_pylist()
    }
    assert len(found) == table.num_rows
    return found


def both_ways(
    root: Path, files: Files, scope: Scope, late: Sequence[tuple[str, datetime]] = ()
) -> dict[tuple[str, str | None, date], tuple[int, int]]:
    """Return the lines that both ways give."""
    straight = lines(written(root / "straight", files), scope, late)
    assert straight == lines(written(root / "sql", files, FOR_SQL), scope, late)
    return straight


INSTANTS = st.sampled_from([MIDNIGHT - MICROSECOND, MIDNIGHT, NOON, NOON + MICROSECOND, MARK, MARK + DAY])
INSERTED = st.sampled_from([None, NOON - DAY, NOON, MARK, MARK + MICROSECOND])
VALUES = st.sampled_from([0.0, -0.0, 1.5, math.nan, math.inf, -math.inf, None])
ROWS = st.tuples(st.sampled_from(["a", "b", "ü"]), INSTANTS, VALUES, st.sampled_from([None, 0, -1, 192]), INSERTED)
PLACES = st.tuples(st.sampled_from([TODAY, TODAY - DAY]), st.sampled_from(["00", "07"]), st.sampled_from("xyz"))
LATE = st.lists(st.tuples(st.sampled_from(["a", "none"]), INSTANTS), max_size=2, unique=True)
WINDOWS = st.sampled_from([TWO_DAYS, Window(NOON, MARK), Window(MIDNIGHT - DAY, MIDNIGHT)])


def told_apart(files: Files) -> Files:
    """Return them so that equal keys and instants of insertion have equal rows: SQL takes any of those."""
    first: dict[tuple[str, datetime, datetime | None], Row] = {}
    return {
        place: [first.setdefault((row[0], row[1], row[4]), row) for row in rows] for place, rows in files.items()
    }


def repeats_in_a_file(files: Files) -> bool:
    """Whether a file has a key twice with other content: which of the two counts twice is left open."""
    return any(
        max(Counter((row[0], row[1]) for row in set(rows)).values(), default=0) > 1 for rows in files.values()
    )


@pytest.mark.parametrize("together", [arrow_rows.MOST_TOGETHER, 3], ids=["whole", "by their keys"])
@settings(
    max_examples=settings().max_examples * 2 // 5,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    files=st.dictionaries(PLACES, st.lists(ROWS, max_size=6), max_size=4).map(told_apart),
    window=WINDOWS,
    since=st.sampled_from([None, NOON - DAY, NOON]),
    late=LATE,
)
def test_both_ways_give_the_same_lines_of_any_files(
    files: Files,
    window: Window,
    since: datetime | None,
    late: list[tuple[str, datetime]],
    together: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    root, scope = tmp_path_factory.mktemp("lake"), Scope(window, COVERAGE, since)
    with patch.object(arrow_rows, "MOST_TOGETHER", together):
        straight = lines(written(root / "straight", files), scope, late)
    by_sql = lines(written(root / "sql", files, FOR_SQL), scope, late)
    if repeats_in_a_file(files):
        straight = {key: (rows, 0) for key, (rows, _) in straight.items()}
        by_sql = {key: (rows, 0) for key, (rows, _) in by_sql.items()}
    assert straight == by_sql


def spread(rows: int, sensors: int = 3) -> list[Row]:
    """Return rows of some sensors, a second apart, as the writer sorts them."""
    each = rows // sensors
    return [
        (f"s{sensor}", MIDNIGHT + timedelta(seconds=second), float(second), second % 3, NOON)
        for sensor in range(sensors)
        for second in range(each)
    ]


def again(rows: Sequence[Row]) -> list[Row]:
    """Return newer versions of rows, with another quality."""
    return [(sensor, ts, value, 192, MARK) for sensor, ts, value, _, _ in rows]


def test_a_file_is_digested_in_parts_where_it_has_many_rows_and_several_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrow_rows, "BATCH_ROWS", 100)
    rows, scope = spread(999), Scope(TWO_DAYS, COVERAGE)
    found = lines(written(tmp_path / "straight", {(TODAY, "00", "x"): rows}, row_group_size=130), scope)
    assert found == lines(written(tmp_path / "sql", {(TODAY, "00", "x"): rows}, FOR_SQL), scope)
    assert {key: count for key, (count, _) in found.items()} == {("00", f"s{n}", TODAY): 333 for n in range(3)}


@pytest.mark.parametrize("most", ["_MOST_WAITING", "_MOST_BYTES_TOGETHER"])
def test_how_much_is_held_at_a_time_is_of_no_account(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: str
) -> None:
    monkeypatch.setattr(arrow_rows, most, 1)
    row: Row = ("a", NOON, 1.5, 0, NOON)
    before: Row = ("a", NOON - DAY, 2.5, 0, NOON)
    files = {(TODAY, "07", "x"): [row], (TODAY, "07", "y"): [row], (TODAY - DAY, "07", "x"): [before]}
    assert sum(rows for rows, _ in both_ways(tmp_path, files, Scope(TWO_DAYS, COVERAGE)).values()) == 2


def test_many_rows_of_several_files_are_searched_for_copies_by_their_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrow_rows, "MOST_TOGETHER", 100)
    monkeypatch.setattr(arrow_rows, "BATCH_ROWS", 70)
    rows = spread(999)
    upserted = again(rows[300:340])
    files = {(TODAY, "00", "x"): rows[:400], (TODAY, "00", "y"): rows[400:], (TODAY, "00", "z"): upserted}
    scope, late = Scope(TWO_DAYS, COVERAGE), [("s0", MIDNIGHT), ("s1", MIDNIGHT + timedelta(seconds=5))]
    with patch.object(digesting, "column_engine", side_effect=AssertionError("SQL has nothing to do here")):
        found = lines(written(tmp_path / "straight", files), scope, late)
    assert found == lines(written(tmp_path / "sql", files, FOR_SQL), scope, late)
    assert {key: count for key, (count, _) in found.items()} == {
        ("00", sensor, TODAY): count for sensor, count in [("s0", 332), ("s1", 332), ("s2", 333)]
    }


@pytest.mark.parametrize("most", ["_MOST_KEYS", "MOST_TOGETHER", "_MOST_BYTES"])
def test_what_is_too_much_to_be_searched_in_memory_is_left_to_sql(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: str
) -> None:
    """Too many keys, too many of them twice, or a row group that is too large."""
    monkeypatch.setattr(arrow_rows, "MOST_TOGETHER", 100)
    monkeypatch.setattr(arrow_rows, most, 90)
    rows = spread(300)
    files = written(tmp_path, {(TODAY, "00", "x"): rows, (TODAY, "00", "y"): again(rows[:120])})
    with patch.object(digesting, "column_engine", wraps=column_engine) as engine:
        found = lines(files, Scope(TWO_DAYS, COVERAGE))
    assert engine.called
    assert sum(count for count, _ in found.values()) == 300


def test_rows_that_once_cannot_be_digested_are_an_error_and_never_counted_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors = [pa.ArrowInvalid("no more")]

    def failing(rows: pa.Table, *, hashed: bool) -> pa.Table:
        if errors:
            raise errors.pop()
        return digest_days(rows, hashed=hashed)

    monkeypatch.setattr(arrow_rows, "BATCH_ROWS", 1)
    monkeypatch.setattr(arrow_rows, "digest_days", failing)
    row: Row = ("a", NOON, 1.5, 0, NOON)
    with pytest.raises(pa.ArrowInvalid, match="no more"):
        lines(written(tmp_path, {(TODAY, "07", "x"): [row]}), Scope(TWO_DAYS, COVERAGE))


def test_the_order_of_rows_is_of_no_account(tmp_path: Path) -> None:
    rows, scope = spread(90), Scope(TWO_DAYS, COVERAGE)
    restarted = [*rows[45:], *rows[:45]]
    first = both_ways(tmp_path / "a", {(TODAY, "00", "x"): rows}, scope)
    assert first == both_ways(tmp_path / "b", {(TODAY, "00", "x"): restarted}, scope)
    assert first == both_ways(
        tmp_path / "c", {(TODAY, "00", "x"): rows[::2], (TODAY, "00", "y"): rows[1::2]}, scope
    )


def test_a_key_in_two_shards_counts_in_each(tmp_path: Path) -> None:
    files = {(TODAY, shard, "x"): spread(3) for shard in ("00", "07")}
    assert len(both_ways(tmp_path, files, Scope(TWO_DAYS, COVERAGE))) == 6


def test_of_copies_inserted_at_one_instant_the_later_file_counts(tmp_path: Path) -> None:
    scope = Scope(TWO_DAYS, COVERAGE)
    older: list[Row] = [("a", NOON, 1.0, 0, NOON)]
    newer: list[Row] = [("a", NOON, 2.0, 0, NOON)]
    alone = lines(written(tmp_path / "alone", {(TODAY, "00", "y"): newer}), scope)
    assert (
        lines(written(tmp_path / "both", {(TODAY, "00", "x"): older, (TODAY, "00", "y"): newer}), scope) == alone
    )


def test_a_file_that_duckdb_has_written_gives_the_same_lines(tmp_path: Path) -> None:
    scope = Scope(TWO_DAYS, COVERAGE)
    (file,) = written(tmp_path, {(TODAY, "00", "x"): spread(90)})
    before = lines([file], scope)
    copied = file.path.with_name("copied.parquet")
    duckdb.execute(f"COPY (FROM '{file.path}') TO '{copied}' (FORMAT parquet, COMPRESSION zstd)")
    copied.replace(file.path)
    assert lines([file], scope) == before


@pytest.mark.parametrize("column", ["sensor_id", "ts"])
def test_a_key_without_a_part_is_digested_as_sql_has_it(tmp_path: Path, column: str) -> None:
    table = rows_table(spread(9))
    place = table.schema.get_field_index(column)
    values = [None, *table[column].to_pylist()[1:]]
    path = tmp_path / f"date={TODAY}" / "shard=00" / "x.parquet"
    path.parent.mkdir(parents=True)
    pq.write_table(table.set_column(place, table.schema.field(column), pa.array(values, table[column].type)), path)
    found = lines([LakeFile(path, TODAY, "00", "hot", path.stat().st_size)], Scope(TWO_DAYS, COVERAGE))
    assert sum(rows for rows, _ in found.values()) == (9 if column == "sensor_id" else 8)


def test_ids_that_are_no_text_are_an_error(tmp_path: Path) -> None:
    path = tmp_path / f"date={TODAY}" / "shard=00" / "x.parquet"
    path.parent.mkdir(parents=True)
    table = rows_table(spread(9))
    ids = pa.array([b"\xff\xfe"] * table.num_rows, pa.binary()).view(pa.string())
    pq.write_table(table.set_column(0, "sensor_id", ids), path)
    with pytest.raises((duckdb.Error, pa.ArrowException, UnicodeDecodeError)):
        lines([LakeFile(path, TODAY, "00", "hot", path.stat().st_size)], Scope(TWO_DAYS, COVERAGE))


def test_counts_alone_have_no_digest(tmp_path: Path) -> None:
    files = written(tmp_path, {(TODAY, "00", "x"): spread(9)})
    found = lines(files, Scope(TWO_DAYS, COVERAGE), hashed=False)
    assert set(found.values()) == {(3, 0)}
    assert rows_digested(digest_files(files, Scope(TWO_DAYS, COVERAGE), keys_table([]))) == 9
