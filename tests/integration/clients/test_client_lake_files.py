"""Single lake files with one thing wrong in each."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.builders import Row, rows_table
from tsse_validation.domain.aspects import FILE_ASPECTS
from tsse_validation.domain.digest import ROW_SCHEMA
from tsse_validation.domain.instants import MICROSECOND, day_start
from tsse_validation.lake.file_checks import FileFindings, examine
from tsse_validation.lake.reader import LakeFile
from tsse_validation.lake.shards import shard_of

DAY = date(2026, 1, 24)
NOON = datetime(2026, 1, 24, 12, tzinfo=UTC)
SENSORS = [sensor for sensor in (f"sensor-{n}" for n in range(1000)) if shard_of(sensor, 16) == "07"][:3]
STRANGER = next(sensor for sensor in (f"sensor-{n}" for n in range(1000)) if shard_of(sensor, 16) == "08")


def row(sensor: str = SENSORS[0], ts: datetime = NOON) -> Row:
    return (sensor, ts, 1.0, 0, NOON)


def lake_file(path: Path) -> LakeFile:
    return LakeFile(path, DAY, "07", "hot", path.stat().st_size if path.exists() else 0)


def examined(path: Path) -> FileFindings:
    findings = FileFindings()
    examine(lake_file(path), 16, findings)
    return findings


def written(path: Path, table: pa.Table, rows_per_group: int = 1000) -> Path:
    pq.write_table(table, path, row_group_size=rows_per_group)
    return path


def of_rows(path: Path, rows: Sequence[Row], rows_per_group: int = 1000) -> FileFindings:
    return examined(written(path, rows_table(rows), rows_per_group))


def wrong(findings: FileFindings) -> set[str]:
    assert set(findings.problems) == set(FILE_ASPECTS)
    return {aspect for aspect, problems in findings.problems.items() if problems}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "part-1-0.parquet"


def test_a_right_file_has_no_problem_and_its_rows_are_counted(path: Path) -> None:
    rows = [row(sensor, NOON + n * MICROSECOND) for sensor in sorted(SENSORS) for n in range(5)]
    findings = of_rows(path, rows, rows_per_group=2)
    assert wrong(findings) == set()
    assert (findings.files, findings.rows) == (1, 15)


def test_a_file_without_rows_has_no_problem(path: Path) -> None:
    findings = of_rows(path, [])
    assert (wrong(findings), findings.files, findings.rows) == (set(), 1, 0)


def test_problems_of_several_files_add_up_and_name_their_file(path: Path) -> None:
    findings = FileFindings()
    written(path, rows_table([row(STRANGER)]))
    for _ in range(2):
        examine(lake_file(path), 16, findings)
    assert (findings.files, findings.rows, len(findings.problems["shard"])) == (2, 2, 2)
    assert str(findings.problems["shard"][0]).startswith("date=2026-01-24/shard=07/part-1-0.parquet: ")


@pytest.mark.parametrize("content", [b"", b"PAR1", b"no parquet at all", b"PAR1" + b"\x00" * 100 + b"PAR1"])
def test_a_file_that_is_no_parquet_is_unreadable(content: bytes, path: Path) -> None:
    path.write_bytes(content)
    findings = examined(path)
    assert (wrong(findings), findings.files) == ({"readable"}, 1)


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9, 0.99])
def test_a_torn_file_is_unreadable(kept: float, path: Path) -> None:
    written(path, rows_table([row(ts=NOON + n * MICROSECOND) for n in range(1000)]))
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    assert wrong(examined(path)) == {"readable"}


def test_a_file_with_garbage_in_its_pages_is_unreadable(path: Path) -> None:
    written(path, rows_table([row(ts=NOON + n * MICROSECOND) for n in range(1000)]))
    content = bytearray(path.read_bytes())
    content[4:200] = b"\xff" * 196
    path.write_bytes(content)
    assert "readable" in wrong(examined(path))


def test_a_file_whose_columns_have_names_that_are_no_text_is_unreadable(path: Path) -> None:
    written(path, rows_table([row()]))
    path.write_bytes(path.read_bytes().replace(b"quality", b"\xd4uality"))
    assert wrong(examined(path)) == {"readable"}


def test_a_file_that_has_vanished_was_replaced_and_is_left_out(path: Path) -> None:
    findings = examined(path)
    assert (wrong(findings), findings.files, findings.rows) == (set(), 0, 0)


def test_a_directory_in_place_of_a_file_is_unreadable(path: Path) -> None:
    path.mkdir()
    assert wrong(examined(path)) == {"readable"}


@pytest.mark.parametrize("column", ROW_SCHEMA.names)
def test_a_missing_column_is_a_matter_of_schema(column: str, path: Path) -> None:
    findings = examined(written(path, rows_table([row()]).drop_columns([column])))
    assert wrong(findings) == {"schema"}
    assert f"{column} is missing" in str(findings.problems["schema"][0])


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        ("value", pa.float32()),
        ("value", pa.string()),
        ("quality", pa.int64()),
        ("quality", pa.int16()),
        ("inserted_at", pa.timestamp("us", "UTC")),
        ("inserted_at", pa.string()),
        ("ts", pa.timestamp("us", "UTC")),
        ("ts", pa.timestamp("ms")),
        ("ts", pa.timestamp("ns")),
        ("ts", pa.string()),
        ("ts", pa.int64()),
        ("sensor_id", pa.binary()),
    ],
)
def test_a_column_of_another_type_is_a_matter_of_schema(column: str, kind: pa.DataType, path: Path) -> None:
    table = rows_table([row()])
    changed = table.set_column(table.schema.get_field_index(column), column, table[column].cast(kind))
    findings = examined(written(path, changed))
    assert wrong(findings) == {"schema"}
    assert f"{column} is {kind} instead of" in str(findings.problems["schema"][0])


def test_sensors_that_are_numbers_are_a_matter_of_schema(path: Path) -> None:
    table = rows_table([row()]).set_column(0, "sensor_id", pa.array([7], pa.int64()))
    assert wrong(examined(written(path, table))) == {"schema"}


@pytest.mark.parametrize("column", ["sensor_id", "ts"])
def test_a_key_that_is_null_is_a_matter_of_schema(column: str, path: Path) -> None:
    table = rows_table([row(), row()])
    index = table.schema.get_field_index(column)
    kind = table.schema.field(column).type
    nulled = table.set_column(index, column, pa.array([None, table[column][1].as_py()], kind))
    findings = examined(written(path, nulled))
    assert wrong(findings) == {"schema"}
    assert "null" in str(findings.problems["schema"][0])


def test_long_strings_and_more_columns_are_no_problem(path: Path) -> None:
    table = rows_table([row()])
    table = table.set_column(0, "sensor_id", table["sensor_id"].cast(pa.large_string()))
    assert wrong(examined(written(path, table.append_column("more", pa.array([1]))))) == set()


def test_a_sensor_of_another_shard_is_told_with_the_shard_it_belongs_to(path: Path) -> None:
    findings = of_rows(path, sorted([row(), row(STRANGER)]))
    assert wrong(findings) == {"shard"}
    (problem,) = findings.problems["shard"]
    assert f"1 row of sensors of other shards, such as {STRANGER}, which belongs to shard 08" in str(problem)
    assert (problem.rows, problem.sensors) == (1, frozenset({STRANGER}))


def test_a_problem_of_many_row_groups_is_one_problem_with_all_its_rows(path: Path) -> None:
    rows = sorted(row(sensor, NOON + n * MICROSECOND) for sensor in (SENSORS[0], STRANGER) for n in range(5))
    (problem,) = of_rows(path, rows, rows_per_group=2).problems["shard"]
    assert (problem.rows, problem.sensors) == (5, frozenset({STRANGER}))


def test_a_shard_depends_on_how_many_there_are(path: Path) -> None:
    findings = FileFindings()
    written(path, rows_table([row()]))
    examine(lake_file(path), 1, findings)
    assert wrong(findings) == {"shard"}


@pytest.mark.parametrize(
    ("ts", "outside"),
    [
        (day_start(DAY), False),
        (day_start(DAY) + timedelta(days=1) - MICROSECOND, False),
        (day_start(DAY) - MICROSECOND, True),
        (day_start(DAY) + timedelta(days=1), True),
        (datetime(1969, 12, 31, tzinfo=UTC), True),
    ],
)
def test_a_row_of_another_date_is_told_to_the_microsecond(ts: datetime, outside: bool, path: Path) -> None:
    assert wrong(of_rows(path, [row(ts=ts)])) == ({"date"} if outside else set())


KEYS = st.lists(
    st.tuples(st.sampled_from(SENSORS), st.integers(0, 3).map(lambda n: NOON + n * MICROSECOND)), max_size=8
)


@given(keys=KEYS, rows_per_group=st.integers(1, 4))
def test_copies_of_a_row_are_told_wherever_they_stand_and_an_order_that_starts_again_is_counted(
    keys: list[tuple[str, datetime]], rows_per_group: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "order.parquet"
    findings = of_rows(path, [row(*key) for key in keys], rows_per_group)
    assert findings.unsorted == (keys != sorted(keys))
    assert findings.rows == len(keys)
    again = Counter(keys) - Counter(set(keys))
    assert wrong(findings) == ({"duplicates"} if again else set())
    for problem in findings.problems["duplicates"]:
        assert (problem.rows, problem.sensors) == (again.total(), frozenset(sensor for sensor, _ in again))


def test_the_order_of_sensors_is_that_of_their_bytes(path: Path) -> None:
    mixed = sorted(sensor for sensor in (*"aZ_é9", "a ", "Za") for _ in range(2))
    findings = of_rows(path, [row(sensor) for sensor in mixed])
    assert findings.unsorted == 0


def test_the_two_ends_of_a_date_are_two_keys_and_rows_of_other_dates_are_none(path: Path) -> None:
    first = day_start(DAY)
    edges = [first, first + timedelta(days=1) - MICROSECOND]
    assert wrong(of_rows(path, [row(sensor, ts) for sensor in SENSORS for ts in edges])) == set()
    beyond = [first - MICROSECOND, first + timedelta(days=1)]
    assert wrong(of_rows(path, [row(ts=ts) for ts in (*beyond, *beyond)])) == {"date"}
