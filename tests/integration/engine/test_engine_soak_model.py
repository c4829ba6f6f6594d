"""A soak over random traffic, passes, backfills and faults finds what plain dictionaries say, each row once."""

import shutil
import tempfile
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule, run_state_machine_as_test

from fixtures.controller import housekeeping
from tests.integration.controller.support import LAG
from tests.integration.engine import naive
from tests.integration.engine.farm import FarmStateMachine, Row, is_row, rewritten
from tests.integration.engine.soaking import Soak
from tsse_validation.domain.coverage import Coverage
from tsse_validation.domain.instants import DAY, MICROSECOND
from tsse_validation.runlog.soak_records import SoakSlice
from tsse_validation.steps.soak_proving import OVERLAP

SENSORS = ("0137f2f857d4dd34c390573c", "forecast_wind", "006298880cd2dbb66247fdc3")
MINUTE = timedelta(minutes=1)
AGES = st.sampled_from(
    [
        MICROSECOND,
        2 * MICROSECOND,
        timedelta(seconds=7),
        timedelta(hours=1),
        5 * timedelta(hours=5),
        2 * DAY,
        9 * DAY,
    ]
)
TIMES = st.one_of(AGES, st.sampled_from([-timedelta(hours=2), -DAY]))
"""How long before it comes in a row is dated: a reading, a late one, a forecast."""
BESIDE = 333
"""Microseconds between a row of the lake and one that is added beside it."""
Data = st.DataObject


class SoakMachine(FarmStateMachine):
    """A soak that compares after each pass, and dictionaries that say what it must find."""

    shards = 3

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp(prefix="tsse-soak-"))
        self.soak: Soak | None = None
        self.mark = self.begun = self.farm.clock.now
        self.known: Coverage | None = None
        self.earlier: Coverage | None = None
        self.counted: set[naive.Difference] = set()
        self.numbers = 0

    def teardown(self) -> None:
        if self.soak is not None:
            self.soak.close()
        shutil.rmtree(self.directory)
        super().teardown()

    def row(self, sensor: str, ts: datetime, inserted_at: datetime | None) -> Row:
        self.numbers += 1
        return sensor, ts, float(self.numbers), self.numbers % 3, inserted_at

    @initialize(hour=st.integers(0, 23))
    def a_farm_that_soaks(self, hour: int) -> None:
        self.begin(SENSORS, hour * timedelta(hours=1) + LAG)
        now = self.farm.clock.now
        old = [now - n * timedelta(hours=7) for n in range(1, 14)]
        self.farm.ingest(self.row(sensor, ts, ts + timedelta(seconds=1)) for sensor in SENSORS for ts in old)
        self.farm.backfill(4)
        self.farm.clock.advance(minutes=2)
        self.soak = Soak(self.farm, self.directory / "run")
        self.mark = self.begun = self.soak.watermark
        self.known = self.farm.coverage()

    # ---- traffic -----------------------------------------------------------------------------------------------

    @rule(data=st.data())
    def rows_come_in(self, data: Data) -> None:
        now = self.farm.clock.now
        wanted = data.draw(st.lists(st.tuples(st.sampled_from(SENSORS), TIMES), min_size=1, max_size=5))
        self.farm.ingest(self.row(sensor, now - age, now) for sensor, age in wanted)

    @rule(sensor=st.sampled_from(SENSORS))
    def a_row_that_nobody_timed_comes_in(self, sensor: str) -> None:
        """Add a row that the next pass stamps: it lies in the late window, and after the last backfill."""
        self.farm.ingest([self.row(sensor, self.farm.clock.now - 3 * MICROSECOND, None)])

    @rule(data=st.data())
    def rows_are_upserted(self, data: Data) -> None:
        known = sorted(naive.read_postgres(self.farm.connection))
        keys = data.draw(st.lists(st.sampled_from(known), min_size=1, max_size=3, unique=True))
        now = self.farm.clock.now
        self.farm.upsert(self.row(sensor, naive.instant(ts), now) for sensor, ts in keys)

    # ---- the controller ----------------------------------------------------------------------------------------

    @rule(minutes=st.sampled_from([1, 2, 10, 20]))
    def a_pass_and_a_slice(self, minutes: int) -> None:
        self.farm.clock.advance(minutes=minutes)
        self.farm.replicate()
        self.compare()

    @rule()
    def a_pass_whose_slice_comes_later(self) -> None:
        self.farm.clock.advance(minutes=1)
        self.farm.replicate()

    @rule(days=st.sampled_from([1, 4, 12]))
    def a_backfill(self, days: int) -> None:
        """All is replicated before it: what only a backfill takes away by contract is another test's."""
        self.a_pass_and_a_slice(2)
        self.farm.clock.advance(minutes=1)
        self.farm.backfill(days)

    # ---- faults ------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.mark > self.begun)
    @rule(sensor=st.sampled_from(SENSORS), back=st.sampled_from([MICROSECOND, MINUTE, 14 * MINUTE]), age=AGES)
    def a_transaction_commits_late(self, sensor: str, back: timedelta, age: timedelta) -> None:
        inserted_at = max(self.mark - back, self.begun + MICROSECOND)
        self.farm.ingest([self.row(sensor, inserted_at - age, inserted_at)])

    @rule(data=st.data(), how=st.sampled_from(["lost", "changed", "added"]))
    def a_row_of_the_lake_is_harmed(self, data: Data, how: str) -> None:
        recent = naive.micros(max(self.begun, self.mark - OVERLAP))
        copies = self.farm.copies()
        times = Counter(copy.key for copy in copies)
        keys = sorted(
            copy.key
            for copy in copies
            if (copy.version.inserted or 0) > recent
            and times[copy.key] == 1
            and (copy.key[0], copy.key[1] + BESIDE) not in times
        )
        if not keys:
            return
        key = data.draw(st.sampled_from(keys))
        (copy,) = (copy for copy in copies if copy.key == key)
        with rewritten(copy.path) as rows:
            (row,) = (row for row in rows if is_row(row, copy.key))
            if how == "lost":
                rows.remove(row)
            elif how == "changed":
                row["value"] += 0.5
            else:
                rows.append(row | {"ts": row["ts"] + BESIDE * MICROSECOND})

    # ---- what must be found ------------------------------------------------------------------------------------

    def compare(self) -> None:
        assert self.soak is not None
        coverage = self.farm.coverage()
        assert self.known is not None
        if coverage.backfill_to > self.known.backfill_to:
            self.earlier = self.known
        since = max(self.begun, self.mark - OVERLAP)
        new = self.new_rows(coverage)
        expected = self.differing(coverage, since)
        compared = self.soak.prover.newly_due(coverage.watermark)
        if coverage.watermark <= self.mark:
            assert compared is None
            return
        assert compared is not None
        assert compared.new_rows == new
        self.hold(compared, expected)
        self.mark, self.known = coverage.watermark, coverage

    def hold(self, compared: SoakSlice, expected: set[naive.Difference]) -> None:
        assert compared.differing == len(expected - self.counted), (expected - self.counted, compared)
        self.counted |= expected
        assert self.soak is not None
        assert sum(self.soak.flagged.values()) == len(self.counted)

    def new_rows(self, coverage: Coverage) -> int:
        return sum(
            coverage.promises(naive.instant(key[1]), naive.instant(version.inserted))
            for key, version in naive.read_postgres(self.farm.connection).items()
            if version.inserted is not None and naive.instant(version.inserted) > self.mark
        )

    def differing(self, coverage: Coverage, since: datetime) -> set[naive.Difference]:
        """Compare what was inserted after an instant and up to the mark, and from there to the watermark."""
        spans = ((since, self.mark), (self.mark, coverage.watermark))
        postgres, copies = naive.read_postgres(self.farm.connection), self.farm.copies()
        keys = postgres.keys() | {copy.key for copy in copies}
        return {
            (*key, kind)
            for key in keys
            for first, last in spans
            for after, until in self.promised(coverage, naive.instant(key[1]), first, last)
            if (kind := differs(postgres.get(key), copies, key, naive.micros(after), naive.micros(until)))
        }

    def promised(
        self, coverage: Coverage, ts: datetime, since: datetime, until: datetime
    ) -> list[tuple[datetime, datetime]]:
        """Return when a row of a time must have come in to be promised, within a span of insertion times."""
        target = coverage.backfill_to
        if coverage.backfill_from <= ts < target:
            return [(since, until)]
        spans = [(max(since, target), until)]
        touched = coverage.backfill_from.date() <= ts.date() <= max(target, coverage.watermark).date()
        if self.earlier is not None and not touched:
            spans.append((max(since, self.earlier.backfill_to), min(until, self.earlier.watermark)))
        return spans


def differs(
    ours: naive.Version | None, copies: list[naive.Copy], key: naive.Key, after: int, until: int
) -> str | None:
    """Compare a key's newest copy as of an instant with its row, where either was inserted in time."""
    known = [copy.version for copy in copies if copy.key == key and (copy.version.inserted or 0) <= until]
    theirs = max(known, key=lambda version: version.inserted or 0, default=None)
    inserted = [one.inserted for one in (ours, theirs) if one is not None and one.inserted is not None]
    if not any(after < one <= until for one in inserted):
        return None
    if ours is None:
        return "extra"
    if ours.inserted is not None and ours.inserted > until:
        return None
    if theirs is None:
        return "missing"
    if ours.bits != theirs.bits:
        return "changed_value"
    return "changed_quality" if ours.quality != theirs.quality else None


def test_a_soak_finds_what_differs_and_nothing_else(conninfo: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(housekeeping, "COMPACTION_THRESHOLD_FILES", 3)
    monkeypatch.setattr(SoakMachine, "conninfo", conninfo)
    run_state_machine_as_test(
        SoakMachine,
        settings=settings(
            max_examples=8,
            stateful_step_count=14,
            deadline=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
