"""The reference controller driven by rules, beside a model of dictionaries that says what must be in the lake.

Postgres and the lake's files are real. After each rule the parity engine, the runbook's checks and the verdict are
held against the model. What is honest must show no difference; a row that is deleted in Postgres once it was
replicated, and one that came in while replication stood still for longer than the late window, must show exactly.
"""

from datetime import date, timedelta

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from tests.integration.controller.support import Control
from tests.integration.engine.farm import RETENTION_DAYS, told
from tests.integration.engine.naive import instant as instant_of
from tests.integration.stateful.driving import DAYS, FAR, FIRST_BACKFILL_DAYS, NEAR, SENSORS, Data, Driven
from tests.integration.stateful.holding import hold_differences, hold_statuses
from tests.integration.stateful.model import DAY, LAG, LATE_WINDOW, MICROSECOND, days_of, midnight, named
from tsse_validation.domain.coverage import Coverage, Scope
from tsse_validation.domain.outcome import Outcome
from tsse_validation.domain.windows import Window
from tsse_validation.parity.landmarks import EDGES, Landmarks
from tsse_validation.parity.strategies import windows
from tsse_validation.runlog.records import CheckStatus


class CanceledError(Exception):
    """Somebody has canceled the backfill."""


class Replication(Driven):
    """The rules, and what must hold after each."""

    @initialize(count=st.integers(1, len(SENSORS)), hour=st.integers(0, 23), near=NEAR, data=st.data())
    def a_farm_with_a_lake(self, count: int, hour: int, near: timedelta, data: Data) -> None:
        self.happened("a_farm_with_a_lake")
        self.begin(SENSORS[:count], hour * timedelta(hours=1) + near + LAG)
        self.ingest([self.version(data, key) for key in data.draw(self.keys(self.instants(4, 0)))])
        old = [key for key in data.draw(self.keys(self.instants(4, 0))) if key not in self.model.rows]
        self.ingest([self.version(data, key, timed=False) for key in old])
        self.backfill(FIRST_BACKFILL_DAYS, replace=True)

    @rule(data=st.data())
    def rows_come_in(self, data: Data) -> None:
        self.happened("rows_come_in")
        self.ingest([self.version(data, key) for key in data.draw(self.keys(self.instants(0, 2)))])

    @rule(data=st.data())
    def late_rows_come_in(self, data: Data) -> None:
        self.happened("late_rows_come_in")
        self.ingest([self.version(data, key) for key in data.draw(self.keys(self.instants(6, 0)))])

    @rule(data=st.data())
    def rows_that_nobody_timed_come_in(self, data: Data) -> None:
        """Insert what the next pass stamps in its late window; older ones are honest after the backfill alone."""
        self.happened("rows_that_nobody_timed_come_in")
        promise = self.model.promise()
        assert promise is not None
        new = [
            key
            for key in data.draw(self.keys(self.instants(0, 1)))
            if key[1] >= promise.backfill_to and key not in self.inserted
        ]
        self.ingest([self.version(data, key, timed=False) for key in new])

    @precondition(lambda self: self.model.rows)
    @rule(data=st.data())
    def rows_are_upserted(self, data: Data) -> None:
        self.happened("rows_are_upserted")
        known = st.lists(st.sampled_from(sorted(self.model.rows)), min_size=1, max_size=3, unique=True)
        self.upsert([self.version(data, key) for key in data.draw(known)])

    @precondition(lambda self: self.model.deletable())
    @rule(data=st.data())
    def rows_are_deleted(self, data: Data) -> None:
        """Delete what the lake cannot learn to be gone: a true difference, until its day is replaced."""
        self.happened("rows_are_deleted")
        known = st.lists(st.sampled_from(self.model.deletable()), min_size=1, max_size=2, unique=True)
        for key in data.draw(known):
            self.farm.connection.execute("DELETE FROM metrics WHERE sensor_id = %s AND ts = %s", key)
            del self.model.rows[key]

    # ---- time --------------------------------------------------------------------------------------------------

    @rule(data=st.data())
    def time_passes(self, data: Data) -> None:
        self.happened("time_passes")
        self.let_time_pass(data)

    @rule()
    def replication_stands_still_for_longer_than_the_late_window(self) -> None:
        """Rows that came in before are lost to the next pass, by contract; the suite must see which."""
        self.happened("replication_stands_still_for_longer_than_the_late_window")
        self.farm.clock.now += LATE_WINDOW + 2 * LAG

    @rule(minutes=st.integers(1, 90))
    def the_clock_is_set_back(self, minutes: int) -> None:
        self.happened("the_clock_is_set_back")
        self.farm.clock.now -= timedelta(minutes=minutes)

    # ---- the controller ----------------------------------------------------------------------------------------

    @rule(data=st.data())
    def a_pass(self, data: Data) -> None:
        self.happened("a_pass")
        self.let_time_pass(data)
        self.tick()

    @rule(data=st.data())
    def passes_until_files_are_merged(self, data: Data) -> None:
        """Let rows of the same days come in by several passes: their shard-days are compacted."""
        self.happened("passes_until_files_are_merged")
        keys = data.draw(self.keys(self.instants(2, 0), most=2))
        for _ in range(3):
            self.farm.clock.advance(minutes=2)
            self.upsert([self.version(data, key) for key in keys])
            self.farm.clock.advance(minutes=2)
            self.tick()

    @rule()
    def days_pass_until_dates_go_cold(self) -> None:
        self.happened("days_pass_until_dates_go_cold")
        for _ in range(RETENTION_DAYS + 1):
            self.farm.clock.advance(days=1)
            self.tick()

    @rule(days=DAYS, replace=st.booleans())
    def a_backfill(self, days: int, *, replace: bool) -> None:
        self.happened("a_backfill")
        self.backfill(days, replace=replace)

    @rule(days=DAYS, replace=st.booleans(), days_done=st.integers(0, 6), emptied=st.booleans())
    def a_backfill_is_canceled_in_the_middle(
        self, days: int, *, replace: bool, days_done: int, emptied: bool
    ) -> None:
        """Cancel it before a date, and where it replaces, between removing a date and writing it."""
        self.happened("a_backfill_is_canceled_in_the_middle")
        days_done, emptied = min(days_done, len(self.dates_of_a_backfill(days)) - 1), emptied and replace
        checks = days_done * (2 if replace else 1) + emptied

        def cancel(check: int) -> None:
            if check == checks:
                raise CanceledError

        try:
            self.farm.backfill(days, replace_existing=replace, control=Control(cancel))
        except CanceledError:
            self.model.backfill(self.farm.clock.now, days, replace=replace, days_done=days_done, emptied=emptied)
        else:
            raise AssertionError("the backfill did not hear that it was canceled")

    @rule(changes=st.integers(0, 25))
    def the_process_is_killed_in_a_pass(self, changes: int) -> None:
        self.happened("the_process_is_killed_in_a_pass")
        self.kill(changes, self.farm.replicate, lambda model: model.tick(self.farm.clock.now))

    @rule(days=DAYS, replace=st.booleans(), changes=st.integers(0, 60))
    def the_process_is_killed_in_a_backfill(self, days: int, *, replace: bool, changes: int) -> None:
        self.happened("the_process_is_killed_in_a_backfill")
        self.kill(
            changes,
            lambda: self.farm.backfill(days, replace_existing=replace),
            lambda model: model.backfill(self.farm.clock.now, days, replace=replace),
            emptied=self.dates_of_a_backfill(days) if replace else (),
        )

    def dates_of_a_backfill(self, days: int) -> list[date]:
        target = self.model.due_through(self.farm.clock.now)
        return days_of(target - days * DAY, target)

    # ---- what must hold ----------------------------------------------------------------------------------------

    @rule(data=st.data(), edge=st.sampled_from(list(EDGES)))
    def a_window_is_looked_at(self, data: Data, edge: str) -> None:
        type(self).history = (*self.history, "a_window_is_looked_at")
        promise = self.promise()
        rows = [key[1] for key in sorted(self.model.rows) if promise.holds(key)]
        window = data.draw(windows(Landmarks(Window(promise.start, promise.end), rows), edge))
        self.count_as_the_model(window)

    @invariant()
    @precondition(lambda self: self.sensors)
    def the_watermark_never_retreats(self) -> None:
        state = self.farm.reader.replication()
        manifest = self.farm.reader.manifest().metrics
        assert state.computed_through_ts == self.model.watermark
        assert (state.backfill_from_ts, state.backfill_to_ts) == (self.model.backfill_from, self.model.backfill_to)
        assert state.computed_through_ts is not None
        assert manifest.computed_through_ts is not None
        assert manifest.computed_through_ts >= state.computed_through_ts
        assert self.highest is None or state.computed_through_ts >= self.highest
        self.highest = state.computed_through_ts
        assert self.found().statuses["watermark_never_retreats"] is CheckStatus.PASSED

    @invariant()
    @precondition(lambda self: self.sensors)
    def outside_of_the_covered_range_the_lake_is_as_the_model_says(self) -> None:
        """Compare far beyond it: what was replicated before, or for days to come, stays until it is replaced."""
        promise = self.promise()
        wide = promise._replace(start=promise.start - FAR, end=promise.end + FAR)
        coverage = Coverage(wide.start, wide.backfill_to, wide.watermark)
        window, proof = Window(wide.start, wide.end), self.farm.proof()
        differing = [row for row in proof.compare_sensor_days(Scope(window, coverage)) if not row.matches]
        found = named(
            (sensor, instant_of(ts), kind)
            for sensor, ts, kind in told(proof.compare_rows(Scope(window, coverage), differing))
        )
        hold_differences(found, self.model.differences(wide))

    @invariant()
    @precondition(lambda self: self.sensors)
    def every_window_inside_the_covered_range_is_at_parity(self) -> None:
        """All but where the model knows of a difference; the runbook's checks and its verdict say the same."""
        found, promise = self.found(), self.promise()
        expected = self.model.differences(promise)
        differing = named((row.sensor_id, row.ts, row.kind) for row in found.result.differences)
        hold_differences(differing, expected)
        hold_statuses(found, self.model, promise, self.farm.clock.now)
        compared = sum(counts.due for counts in self.model.totals(promise).values())
        broken = CheckStatus.FAILED in found.statuses.values()
        assert found.verdict.outcome is (
            Outcome.NO_GO if broken else Outcome.GO if compared else Outcome.INCOMPLETE
        ), found.verdict.reasons
        assert bool(found.flagged) == bool(differing), found.flagged

    @invariant()
    @precondition(lambda self: self.sensors)
    def parity_is_additive_over_adjacent_windows(self) -> None:
        """Cut the covered range in two, somewhere else each time: the counts of the parts are those of all."""
        whole = self.promise()
        rows = [key[1] for key in sorted(self.model.rows) if whole.start <= key[1] < whole.end]
        midnights = [midnight(day) - MICROSECOND for day in days_of(whole.start, whole.end)[1:]]
        self.cuts += 1
        cut = [*rows, *midnights, whole.start][self.cuts % (len(rows) + len(midnights) + 1)]
        parts = [Window(whole.start, cut), Window(cut + MICROSECOND, whole.end)]
        counted = [self.count_as_the_model(part) for part in parts]
        days = self.found().days
        assert sum(part.postgres for part in counted) == sum(row.postgres for row in days)
        assert sum(part.lake for part in counted) == sum(row.lake for row in days)
