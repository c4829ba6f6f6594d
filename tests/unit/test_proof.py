"""The suite's own evidence, with a Postgres of a few rows in memory and a lake on disk."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.builders import Row, keys_table, rows_table
from tsse_validation.clients.identity import Moment, ServerProcess
from tsse_validation.clients.session_use import SessionUse
from tsse_validation.clients.snapshot import DueCount
from tsse_validation.domain.contract import DATASET
from tsse_validation.domain.coverage import Coverage, Scope
from tsse_validation.domain.digest import digest_days
from tsse_validation.domain.instants import DAY, MICROSECOND
from tsse_validation.domain.slicing import TableKind, TableLayout
from tsse_validation.domain.stack import LakePaths
from tsse_validation.domain.windows import Window
from tsse_validation.lake.reader import LakeReader
from tsse_validation.lake.shards import shard_of
from tsse_validation.parity.direct import DirectProof

if TYPE_CHECKING:
    from tsse_validation.clients.postgres import PostgresClient

pytestmark = pytest.mark.usefixtures("_one_duckdb")

MARK = datetime(2026, 1, 24, 12, tzinfo=UTC)
BEGIN = datetime(2026, 1, 22, 6, tzinfo=UTC)
COVERAGE = Coverage(BEGIN, MARK, MARK)
COVERED = Window(BEGIN, MARK)
LATE = MARK + timedelta(minutes=1)


class FakePostgres:
    """Answers like the client, from rows in a list."""

    def __init__(self, rows: list[Row]) -> None:
        self.rows = rows
        self.snapshots = 0
        self.use = SessionUse()
        self.statement_seconds = 120.0

    @contextmanager
    def snapshot(self) -> Iterator["FakePostgres"]:
        self.snapshots += 1
        yield self

    def _within(self, scope: Scope, *, due: bool) -> list[Row]:
        return [row for row in self.rows if row[1] in scope.window and scope.coverage.due(row[1], row[4]) == due]

    def counts(self, scope: Scope) -> dict[str, DueCount]:
        due = [row[0] for row in self._within(scope, due=True)]
        not_due = [row[0] for row in self._within(scope, due=False)]
        return {sensor: DueCount(due.count(sensor), not_due.count(sensor)) for sensor in {*due, *not_due}}

    def not_due_keys(self, scope: Scope) -> pa.Table:
        return keys_table((row[0], row[1]) for row in self._within(scope, due=False))

    def due_rows(self, scope: Scope, sensor_ids: Sequence[str] | None = None) -> pa.Table:
        due = self._within(scope, due=True)
        return rows_table(row for row in due if sensor_ids is None or row[0] in sensor_ids)

    def digests(self, scope: Scope, *, sensor_ids: Sequence[str] | None = None, hashed: bool = True) -> pa.Table:
        return digest_days(self.due_rows(scope, sensor_ids), hashed=hashed)

    def layout(self) -> TableLayout:
        return TableLayout(TableKind.PLAIN, rows=len(self.rows))

    def laid_out(self, _layout: TableLayout, _window: Window, _whole: Window) -> "FakePostgres":
        return self

    def moment(self) -> Moment:
        process = ServerProcess(None, None, "farm", MARK)
        return Moment(process, "1:1:", MARK, standby=False, replayed_until=None)

    def cancel(self) -> None:
        raise AssertionError("nothing goes wrong here")


def row(sensor: str, ts: datetime, value: float = 1.0, inserted_at: datetime | None = None) -> Row:
    return (sensor, ts, value, 0, inserted_at or ts)


HELD = [row(sensor, BEGIN + n * timedelta(hours=6)) for sensor in ("a", "b") for n in range(9)]
UPSERT_OLD = row("c", BEGIN + DAY, 1.0)
UPSERT_NEW = row("c", BEGIN + DAY, 2.0, LATE)
LATE_ROW = row("a", BEGIN + timedelta(minutes=5), 1.0, LATE)


def write_lake(root: Path, rows: list[Row]) -> LakeReader:
    state = root / "hot" / "_state"
    state.mkdir(parents=True)
    (state / "manifest.json").write_text("{}", encoding="utf-8")
    for place in {(row[1].date(), shard_of(row[0], 16)) for row in rows}:
        folder = root / "hot" / DATASET / f"date={place[0]}" / f"shard={place[1]}"
        folder.mkdir(parents=True)
        own = [row for row in rows if (row[1].date(), shard_of(row[0], 16)) == place]
        pq.write_table(rows_table(own), folder / "part-1-0.parquet")
    return LakeReader(LakePaths(root / "hot"))


@pytest.fixture
def postgres() -> FakePostgres:
    return FakePostgres([*HELD, UPSERT_NEW, LATE_ROW])


def proof(postgres: FakePostgres, lake: LakeReader) -> DirectProof:
    return DirectProof(cast("PostgresClient", postgres), lake)


def test_a_right_lake_agrees_in_every_count_and_every_row(postgres: FakePostgres, tmp_path: Path) -> None:
    ours = proof(postgres, write_lake(tmp_path, [*HELD, UPSERT_OLD]))
    days = ours.compare_sensor_days(Scope(COVERED, COVERAGE))
    assert all(found.matches for found in days)
    assert sum(found.postgres for found in days) == len(HELD)
    assert (sum(found.not_due for found in days), sum(found.pending for found in days)) == (2, 1)
    comparisons = list(ours.compare_rows(Scope(COVERED, COVERAGE), days))
    assert [found.day for found in comparisons] == list(COVERED.days())
    assert sum(found.rows for found in comparisons) == len(HELD)
    assert sum(found.differences.num_rows for found in comparisons) == 0


def test_each_lost_row_is_found_by_every_way_of_looking(postgres: FakePostgres, tmp_path: Path) -> None:
    lost = HELD[4]
    ours = proof(postgres, write_lake(tmp_path, [held for held in HELD if held != lost]))
    assert [
        (found.sensor_id, found.day)
        for found in ours.compare_sensor_days(Scope(COVERED, COVERAGE))
        if not found.matches
    ] == [("a", lost[1].date())]
    window = ours.count_window(Scope(COVERED, COVERAGE))
    assert (window.postgres, window.lake, window.mismatching) == (len(HELD), len(HELD) - 1, ("a",))
    all_days = ours.compare_sensor_days(Scope(COVERED, COVERAGE))
    (differing,) = [
        found for found in ours.compare_rows(Scope(COVERED, COVERAGE), all_days) if found.differences.num_rows
    ]
    assert differing.differences["kind"].to_pylist() == ["missing"]
    assert differing.day == lost[1].date()


def test_a_window_between_two_rows_is_empty_on_both_sides(postgres: FakePostgres, tmp_path: Path) -> None:
    ours = proof(postgres, write_lake(tmp_path, [*HELD, UPSERT_OLD]))
    between = Window(BEGIN + MICROSECOND, BEGIN + 2 * MICROSECOND)
    assert ours.count_window(Scope(between, COVERAGE)).rows == []


def test_each_day_is_told_once_it_is_done(postgres: FakePostgres, tmp_path: Path) -> None:
    ours = proof(postgres, write_lake(tmp_path, HELD))
    told: list[tuple[int, int | None]] = []

    def tell(done: int, total: int | None, message: str, *, rows: int = 0) -> None:
        assert message
        assert rows
        told.append((done, total))

    days = ours.compare_sensor_days(Scope(COVERED, COVERAGE), on_day=tell)
    assert told[-1] == (3, 3)
    told.clear()
    assert list(ours.compare_rows(Scope(COVERED, COVERAGE), days, on_day=tell))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_a_lake_that_agrees_costs_a_look_at_the_table_one_snapshot_and_rows_one_a_day(
    postgres: FakePostgres, tmp_path: Path
) -> None:
    ours = proof(postgres, write_lake(tmp_path, [*HELD, UPSERT_OLD]))
    days = ours.compare_sensor_days(Scope(COVERED, COVERAGE))
    ours.count_window(Scope(COVERED, COVERAGE))
    assert postgres.snapshots == 1 + 2
    assert len(list(ours.compare_rows(Scope(COVERED, COVERAGE), days))) == postgres.snapshots - 3


def test_what_differs_is_looked_at_again_before_it_is_told(postgres: FakePostgres, tmp_path: Path) -> None:
    ours = proof(postgres, write_lake(tmp_path, HELD[1:]))
    assert [found.day for found in ours.compare_sensor_days(Scope(COVERED, COVERAGE)) if not found.matches] == [
        BEGIN.date()
    ]
    assert postgres.snapshots == 1 + 2


def test_the_files_of_each_shard_are_counted_for_triage(postgres: FakePostgres, tmp_path: Path) -> None:
    ours = proof(postgres, write_lake(tmp_path, HELD))
    for found in ours.compare_rows(Scope(COVERED, COVERAGE), ours.compare_sensor_days(Scope(COVERED, COVERAGE))):
        assert dict(found.files.shards) == {shard_of("a", 16): 1, shard_of("b", 16): 1}


@pytest.mark.parametrize("change", ["value", "quality"])
def test_a_changed_row_is_found_by_digest_then_row(change: str, postgres: FakePostgres, tmp_path: Path) -> None:
    sensor, ts, value, quality, at = HELD[4]
    altered: Row = (sensor, ts, -1.0, quality, at) if change == "value" else (sensor, ts, value, None, at)
    ours = proof(postgres, write_lake(tmp_path, [altered if held == HELD[4] else held for held in HELD]))
    differing = [found for found in ours.compare_sensor_days(Scope(COVERED, COVERAGE)) if not found.matches]
    assert [(found.sensor_id, found.day, found.postgres == found.lake) for found in differing] == [
        (sensor, ts.date(), True)
    ]
    (compared,) = ours.compare_rows(Scope(COVERED, COVERAGE), differing)
    assert compared.differences["kind"].to_pylist() == [f"changed_{change}"]
    assert set(compared.due) == {sensor}
