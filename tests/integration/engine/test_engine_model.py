"""Random farms, random work of the controller, random faults: the engine always says what plain sets say.

What is honest (ingest, late rows, upserts, passes, backfills, compaction, retention) must show no difference at
all; a fault must show exactly the rows that it touched. A fault is undone at once, or stays to
the end of the example.
"""

import math
import shutil
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule, run_state_machine_as_test

from fixtures.controller import housekeeping
from tests.integration.controller.support import LAG
from tests.integration.engine import naive
from tests.integration.engine.farm import FarmStateMachine, Row, is_row, rewritten, told
from tsse_validation.domain.coverage import Coverage, Scope
from tsse_validation.domain.errors import NotCheckedError, PromiseBrokenError
from tsse_validation.domain.instants import DAY, MICROSECOND, day_start
from tsse_validation.domain.windows import Window
from tsse_validation.runlog.records import CountRow
from tsse_validation.settings.fields import Level

SENSORS = ("0137f2f857d4dd34c390573c", "006298880cd2dbb66247fdc3", "forecast_wind", 'odd, "id" ü', " s ")

VALUES = st.sampled_from(
    [0.0, -0.0, 1.0, 0.1, math.nan, math.inf, -math.inf, 5e-324, 1.7976931348623157e308, 2.0**53 + 2]
) | st.floats(width=64)
QUALITIES = st.sampled_from([None, 0, 1, -1, 32_767, -32_768])
NEAR = st.sampled_from([-2, -1, 0, 1, 2]).map(lambda n: n * MICROSECOND)
Data = st.DataObject
FAULTS_IN_A_ROW = (
    "a_row_is_lost",
    "a_value_is_off_by_an_ulp",
    "a_quality_changes",
    "a_row_moves_by_a_microsecond",
    "a_row_is_doubled_in_its_file",
    "a_row_is_invented",
)
FAULTS_IN_FILES = (
    "two_values_are_swapped",
    "a_row_strays_to_another_date",
    "a_file_is_deleted",
    "a_partition_is_deleted",
    "a_partition_stands_in_the_other_place_too",
)
FAULTS_IN_POSTGRES = ("a_row_changes_in_place", "an_upsert_is_never_replicated", "a_row_is_never_replicated")


class FarmMachine(FarmStateMachine):
    """One farm, and the comparison after each step."""

    shards = 3

    def __init__(self) -> None:
        super().__init__()
        self.faulty = False
        self.earlier: Coverage | None = None
        self.compared = False
        self.steps = 0

    # ---- what is drawn -----------------------------------------------------------------------------------------

    def coverage(self) -> Coverage | None:
        try:
            return self.farm.coverage()
        except (NotCheckedError, PromiseBrokenError):
            return None

    def instants(self, days_back: int, days_ahead: int) -> st.SearchStrategy[datetime]:
        """Return instants at and around midnights, at and around the ends of the covered range, and others."""
        today = day_start(self.farm.clock.now.date())
        days = st.integers(-days_back, days_ahead).map(lambda day: today + day * DAY)
        coverage = self.coverage()
        ends = [coverage.backfill_from, coverage.backfill_to, coverage.watermark] if coverage else [today]
        edges = st.one_of(days, st.sampled_from([*ends, self.farm.clock.now, self.farm.due_now]))
        return st.one_of(
            st.tuples(edges, NEAR).map(sum_of),
            st.tuples(days, st.integers(0, 47).map(lambda n: n * timedelta(minutes=30))).map(sum_of),
        )

    def insertions(self) -> st.SearchStrategy[datetime]:
        """Return when a row may honestly come in: after the watermark, and not in the future."""
        now = self.farm.clock.now
        state = self.farm.service.states.load_replication()
        first = now - LAG if state.last_inserted_at is None else state.last_inserted_at
        after = st.sampled_from([MICROSECOND, 2 * MICROSECOND, timedelta(seconds=1), LAG, 2 * LAG])
        return after.map(lambda span: min(now, first + span)) if first < now else st.just(now + MICROSECOND)

    def rows(self, instants: st.SearchStrategy[datetime]) -> st.SearchStrategy[list[Row]]:
        row = st.tuples(st.sampled_from(self.sensors), instants, VALUES, QUALITIES, self.insertions())
        return st.lists(row, min_size=1, max_size=12)

    def known_keys(self) -> list[naive.Key]:
        return sorted(naive.read_postgres(self.farm.connection))

    # ---- honest work -------------------------------------------------------------------------------------------

    @initialize(count=st.integers(2, len(SENSORS)), hour=st.integers(0, 23), near=NEAR, data=st.data())
    def start(self, count: int, hour: int, near: timedelta, data: Data) -> None:
        self.begin(SENSORS[:count], hour * timedelta(hours=1) + near + LAG)
        self.farm.ingest(data.draw(self.rows(self.instants(4, 0))))
        self.add_old_rows(data)
        self.farm.backfill(4)

    def add_old_rows(self, data: Data) -> None:
        """Add rows of a time when nobody kept their insertion."""
        self.farm.ingest((*row[:4], None) for row in data.draw(self.rows(self.instants(4, 0))))

    @rule(data=st.data())
    def rows_come_in(self, data: Data) -> None:
        self.farm.ingest(data.draw(self.rows(self.instants(0, 1))))

    @rule(data=st.data())
    def late_rows_come_in(self, data: Data) -> None:
        self.farm.ingest(data.draw(self.rows(self.instants(5, 0))))

    @rule(data=st.data())
    def rows_without_an_insertion_come_in(self, data: Data) -> None:
        """Add rows that only the next backfill takes up: honest at and after the end of the last one only."""
        coverage = self.farm.coverage()
        rows = data.draw(self.rows(self.instants(0, 1)))
        self.farm.ingest((*row[:4], None) for row in rows if row[1] >= coverage.backfill_to)

    @rule(data=st.data())
    def rows_are_upserted(self, data: Data) -> None:
        if keys := self.known_keys():
            self.upsert(data, keys)

    @rule(data=st.data())
    def upserts_are_replicated(self, data: Data) -> None:
        """Give rows that the lake holds a newer version there, beside the older one."""
        if kept := sorted(self.farm.expected().kept):
            self.farm.clock.advance(minutes=2)
            self.upsert(data, kept)
            self.farm.clock.advance(minutes=2)
            self.farm.replicate()

    def upsert(self, data: Data, keys: list[naive.Key]) -> None:
        for sensor, ts in data.draw(st.lists(st.sampled_from(keys), min_size=1, max_size=4, unique=True)):
            version = (data.draw(VALUES), data.draw(QUALITIES), data.draw(self.insertions()))
            self.farm.upsert([(sensor, naive.instant(ts), *version)])

    @rule(data=st.data())
    def time_passes(self, data: Data) -> None:
        midnight = day_start(self.farm.clock.now.date()) + DAY + LAG - self.farm.clock.now
        span = st.sampled_from([timedelta(0), MICROSECOND, LAG, timedelta(hours=5)]) | NEAR.map(
            lambda near: midnight + near
        )
        self.farm.clock.now += data.draw(span)

    @rule(data=st.data())
    def a_pass(self, data: Data) -> None:
        self.time_passes(data)
        self.farm.replicate()

    @rule(data=st.data())
    def passes_until_files_are_merged(self, data: Data) -> None:
        """Let rows of the same days come in by several passes: their shard-days are compacted."""
        for _ in range(3):
            self.farm.clock.advance(minutes=2)
            self.farm.ingest(data.draw(self.rows(self.instants(3, 0))))
            self.farm.clock.advance(minutes=2)
            self.farm.replicate()

    @rule(days=st.integers(1, 6), replace_existing=st.booleans())
    def a_backfill(self, days: int, *, replace_existing: bool) -> None:
        """Run a backfill; one that starts later takes the rows of its first date that lie before its start."""
        self.farm.backfill(days, replace_existing=replace_existing)
        if self.earlier and self.farm.coverage().backfill_from > self.earlier.backfill_from:
            self.earlier = None

    @rule(data=st.data())
    def a_row_is_deleted(self, data: Data) -> None:
        """Delete in Postgres what the lake may hold: no way for the lake to learn of it."""
        if keys := self.known_keys():
            self.farm.delete(data.draw(st.sampled_from(keys)))
            self.faulty = True

    # ---- faults ------------------------------------------------------------------------------------------------

    @contextmanager
    def fault(self, data: Data) -> Iterator[None]:
        """Let a fault be planted and compared, then undo it, or leave it to the end."""
        stays = data.draw(st.sampled_from([False, False, True]), label="the fault stays")
        were_faulty = self.faulty
        kept = self.root / "kept"
        shutil.copytree(self.root / "lake", kept)
        rows = self.farm.connection.execute("SELECT * FROM metrics").fetchall()
        self.faulty = True
        yield
        self.compare_now_and_as_of_before()
        self.compared = True
        if not stays:
            shutil.rmtree(self.root / "lake")
            shutil.copytree(kept, self.root / "lake")
            self.farm.connection.execute("DELETE FROM metrics")
            with self.farm.connection.cursor() as cursor:
                cursor.executemany("INSERT INTO metrics VALUES (%s, %s, %b, %s, %s)", rows)
            self.faulty = were_faulty
        shutil.rmtree(kept)

    def picked(self, data: Data) -> naive.Key | None:
        """Pick a row that the lake holds, within the covered range and due."""
        kept = sorted(self.farm.expected().kept)
        return data.draw(st.sampled_from(kept)) if kept else None

    def rewrite(self, key: naive.Key, change: Callable[[list[dict[str, Any]], dict[str, Any]], None]) -> None:
        for path in self.farm.files_of(key):
            with rewritten(path) as rows:
                for row in [row for row in rows if is_row(row, key)]:
                    change(rows, row)

    def plant(
        self, data: Data, change: Callable[[list[dict[str, Any]], dict[str, Any]], None], kinds: set[str]
    ) -> None:
        """Plant a fault in a row's files, and make sure that the plain sets see it there, too."""
        if (key := self.picked(data)) is None:
            return
        with self.fault(data):
            was = self.farm.expected()
            self.rewrite(key, change)
            told_now = {row[2] for row in self.farm.expected().differences if row[:2] == key}
            assert told_now & kinds or any(row[:2] == key for row in was.differences)

    @rule(data=st.data(), fault=st.sampled_from(FAULTS_IN_A_ROW))
    def a_row_is_faulty(self, data: Data, fault: str) -> None:
        getattr(self, fault)(data)

    @rule(data=st.data(), fault=st.sampled_from(FAULTS_IN_FILES))
    def files_are_faulty(self, data: Data, fault: str) -> None:
        getattr(self, fault)(data)

    @rule(data=st.data(), fault=st.sampled_from(FAULTS_IN_POSTGRES))
    def postgres_is_changed(self, data: Data, fault: str) -> None:
        getattr(self, fault)(data)

    def a_row_is_lost(self, data: Data) -> None:
        self.plant(data, lambda rows, row: rows.remove(row), {"missing"})

    def a_value_is_off_by_an_ulp(self, data: Data) -> None:
        self.plant(data, lambda _rows, row: row.update(value=next_bits(row["value"])), {"changed_value"})

    def a_quality_changes(self, data: Data) -> None:
        def change(_rows: list[dict[str, Any]], row: dict[str, Any]) -> None:
            row["quality"] = None if row["quality"] is not None else 0

        self.plant(data, change, {"changed_quality"})

    def a_row_moves_by_a_microsecond(self, data: Data) -> None:
        micros = data.draw(st.sampled_from([-1, 1]))
        self.plant(data, lambda _rows, row: row.update(ts=row["ts"] + micros * MICROSECOND), {"missing"})

    def a_row_is_doubled_in_its_file(self, data: Data) -> None:
        self.plant(data, lambda rows, row: rows.append(row), {"duplicate"})

    def a_row_is_invented(self, data: Data) -> None:
        if (key := self.picked(data)) is not None:
            with self.fault(data), rewritten(self.farm.files_of(key)[0]) as rows:
                row = next(row for row in rows if is_row(row, key))
                rows.append(row | {"ts": row["ts"] + data.draw(NEAR) + timedelta(seconds=7)})

    def two_values_are_swapped(self, data: Data) -> None:
        if (key := self.picked(data)) is not None:
            with self.fault(data), rewritten(self.farm.files_of(key)[0]) as rows:
                one, other = data.draw(st.sampled_from(rows)), data.draw(st.sampled_from(rows))
                one["value"], other["value"] = other["value"], one["value"]

    def a_row_strays_to_another_date(self, data: Data) -> None:
        if (key := self.picked(data)) is not None:
            days = sorted({partition(path) for path in self.farm.files()})
            with self.fault(data):
                for number, path in enumerate(self.farm.files_of(key)):
                    target = data.draw(st.sampled_from(days))
                    folder = self.farm.files(target)[0].parent.parent / path.parent.name
                    folder.mkdir(exist_ok=True)
                    with pq.ParquetFile(path) as opened:
                        table = opened.read()
                    pq.write_table(table, folder / f"part-stray-{number}.parquet")
                    with rewritten(folder / f"part-stray-{number}.parquet") as rows:
                        rows[:] = [row for row in rows if is_row(row, key)]
                    with rewritten(path) as rows:
                        rows[:] = [row for row in rows if not is_row(row, key)]

    def a_file_is_deleted(self, data: Data) -> None:
        if files := self.farm.files():
            with self.fault(data):
                data.draw(st.sampled_from(files)).unlink()

    def a_partition_is_deleted(self, data: Data) -> None:
        if files := self.farm.files():
            with self.fault(data):
                shutil.rmtree(data.draw(st.sampled_from(sorted({path.parent.parent for path in files}))))

    def a_partition_stands_in_the_other_place_too(self, data: Data) -> None:
        """Leave a part of a partition where the manifest does not name it: no reader takes that."""
        if files := self.farm.files():
            path = data.draw(st.sampled_from(files))
            hot, lake = self.farm.service.lake.hot, self.root / "lake"
            there = lake / ("cold" if path.is_relative_to(hot) else "hot") / Path(*path.parts[-5:])
            with self.fault(data):
                there.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, there)
                with rewritten(there) as rows:
                    rows.pop()

    def a_row_changes_in_place(self, data: Data) -> None:
        if keys := self.known_keys():
            with self.fault(data):
                self.farm.change(
                    "value = CASE WHEN value = 1 THEN 2 ELSE 1 END, quality = 5", data.draw(st.sampled_from(keys))
                )

    def an_upsert_is_never_replicated(self, data: Data) -> None:
        """Change a row as of an insertion that replication has passed already."""
        if (key := self.picked(data)) is not None:
            row = (key[0], naive.instant(key[1]), data.draw(VALUES), 77, self.farm.coverage().watermark)
            with self.fault(data):
                self.farm.upsert([row])

    def a_row_is_never_replicated(self, data: Data) -> None:
        rows = data.draw(self.rows(self.instants(3, 0)))
        with self.fault(data):
            self.farm.ingest((*row[:4], self.farm.coverage().watermark) for row in rows)

    # ---- the comparison ----------------------------------------------------------------------------------------

    @rule(data=st.data())
    def a_part_is_looked_at(self, data: Data) -> None:
        ends = sorted(data.draw(st.lists(self.instants(5, 0), min_size=2, max_size=2)))
        if window := Window(*ends).clamp(self.farm.covered()):
            self.compare(self.farm.coverage(), window)

    @invariant()
    @precondition(lambda self: self.sensors)
    def the_engine_says_what_plain_sets_say(self) -> None:
        if not self.compared:
            self.compare_now_and_as_of_before()
        self.compared = False

    def compare_now_and_as_of_before(self) -> None:
        """Compare at the coverage of now, and at one that was read some steps ago: so it is for a long proof."""
        coverage = self.farm.coverage()
        if self.earlier not in (None, coverage):
            self.compare(self.earlier)
        if self.steps % 3 == 0:
            self.earlier = coverage
        self.compare(coverage)

    def compare(self, coverage: Coverage, window: Window | None = None) -> None:
        """Compare by digest and by row, in turn also by count and without a digest before."""
        self.steps += 1
        window = window or coverage.window
        assert window is not None
        expected = self.farm.expected(window, coverage)
        if not self.faulty:
            assert expected.differences == set()
            assert not expected.unclear
        proof = self.farm.proof()
        level = Level.DIGEST if self.steps % 5 else Level.COUNT
        rows = proof.compare_sensor_days(Scope(window, coverage), level=level)
        assert_counts(rows, expected, level)
        clear = [row for row in rows if not_unclear(row, expected)]
        wanted = [row for row in clear if not row.matches] if level is Level.DIGEST else rows
        found = {
            row for row in told(proof.compare_rows(Scope(window, coverage), wanted)) if is_clear(row, expected)
        }
        assert found == {row for row in expected.differences if is_clear(row, expected)}


def assert_counts(rows: list[CountRow], expected: naive.Expected, level: Level) -> None:
    found = {(row.sensor_id, day_told(row)): row for row in rows}
    assert len(found) == len(rows)
    assert found.keys() == expected.counts.keys()
    differing = {naive.sensor_day(row[:2]) for row in expected.differences}
    for of, counts in expected.counts.items():
        row = found[of]
        assert (row.postgres, row.not_due, row.pending) == (counts.postgres, counts.not_due, counts.pending), of
        if of not in expected.doubled:
            assert row.lake == counts.lake, of
        if level is Level.DIGEST and of not in expected.unclear:
            assert row.matches == (of not in differing), of


def day_told(row: CountRow) -> date:
    assert row.day is not None
    return row.day


def not_unclear(row: CountRow, expected: naive.Expected) -> bool:
    return (row.sensor_id, day_told(row)) not in expected.unclear


def is_clear(row: naive.Difference, expected: naive.Expected) -> bool:
    return naive.sensor_day(row[:2]) not in expected.unclear


def sum_of(parts: tuple[datetime, timedelta]) -> datetime:
    return parts[0] + parts[1]


def partition(path: Path) -> date:
    return date.fromisoformat(path.parent.parent.name.removeprefix("date="))


def next_bits(value: float) -> float:
    """Return the value whose bits are the next ones; of a NaN, a number."""
    if math.isnan(value):
        return 0.0
    (bits,) = struct.unpack("<Q", struct.pack("<d", value))
    (following,) = struct.unpack("<d", struct.pack("<Q", bits ^ 1))
    return float(following)


@pytest.mark.usefixtures("_one_duckdb")
def test_the_engine_always_says_what_plain_sets_say(farm_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(housekeeping, "COMPACTION_THRESHOLD_FILES", 2)
    monkeypatch.setattr(FarmMachine, "conninfo", farm_database)
    run_state_machine_as_test(
        FarmMachine,
        settings=settings(
            max_examples=9,
            stateful_step_count=12,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
        ),
    )
