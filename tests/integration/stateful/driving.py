"""A farm with its controller, and the model of both: what the rules of `machine` are made of."""

import copy
import json
import math
from collections.abc import Callable, Collection
from datetime import date, datetime, timedelta

from hypothesis import strategies as st

from tests.integration.engine.farm import FarmStateMachine
from tests.integration.engine.farm import Row as Reading
from tests.integration.stateful.model import DAY, LAG, LATE_WINDOW, MICROSECOND, Key, Model, Promise, Row, midnight
from tests.integration.stateful.power import POWER, PowerCutError
from tests.integration.stateful.validation import Validation, Validator
from tsse_validation.domain.coverage import Scope
from tsse_validation.domain.windows import Window
from tsse_validation.parity.direct import WindowCount

SENSORS = ("0137f2f857d4dd34c390573c", "forecast_wind", 'odd, "id" ü')
FIRST_BACKFILL_DAYS = 4
FAR = 10 * DAY
"""Further than any row lies from the covered range."""
VALUES = st.sampled_from([0.0, -0.0, 1.0, 0.1, math.nan, math.inf, 5e-324])
QUALITIES = st.sampled_from([None, 0, 1])
NEAR = st.sampled_from([0, -1, 1]).map(lambda n: n * MICROSECOND)
DAYS = st.integers(1, 6)
Data = st.DataObject


class Driven(FarmStateMachine):
    """One farm with its controller, and the model of both; `history` names the rules of the last example."""

    shards = 2
    late_window = LATE_WINDOW
    history: tuple[str, ...] = ()

    def __init__(self) -> None:
        super().__init__()
        self.validator = Validator(self.farm, self.root)
        self.model = Model()
        self.inserted: dict[Key, datetime | None] = {}
        self.highest: datetime | None = None
        self.cuts = 0
        self._found: Validation | None = None
        type(self).history = ()

    def teardown(self) -> None:
        self.validator.close()
        super().teardown()

    # ---- what is drawn -----------------------------------------------------------------------------------------

    def instants(self, days_back: int, days_ahead: int) -> st.SearchStrategy[datetime]:
        """Return instants at and around midnights and the ends of the covered range, and others."""
        today = midnight(self.farm.clock.now.date())
        days = st.integers(-days_back, days_ahead).map(lambda day: today + day * DAY)
        promise = self.model.promise()
        ends = [promise.start, promise.backfill_to, promise.end] if promise else [today]
        edges = st.one_of(st.sampled_from([*ends, self.farm.clock.now, self.farm.due_now]), days)
        return st.builds(lambda at, span: at + span, edges, NEAR) | st.builds(
            lambda day, hours: day + timedelta(hours=hours), days, st.integers(1, 23)
        )

    def insertion(self, data: Data, key: Key) -> datetime:
        """Draw when a version comes in: after the watermark, after the version before it, and as a rule by now."""
        now, mark = self.farm.clock.now, self.model.watermark
        first = now - LAG if mark is None else mark
        span = data.draw(st.sampled_from([MICROSECOND, 2 * MICROSECOND, LAG, 2 * LAG, 100 * DAY]))
        drawn = min(now, first + span) if first < now else first + MICROSECOND
        row = self.model.rows.get(key)
        known = [at for at in (self.inserted.get(key), row and row.inserted_at) if at is not None]
        return max([drawn, *(at + MICROSECOND for at in known)])

    def keys(self, instants: st.SearchStrategy[datetime], most: int = 5) -> st.SearchStrategy[list[Key]]:
        return st.lists(st.tuples(st.sampled_from(self.sensors), instants), min_size=1, max_size=most, unique=True)

    def version(self, data: Data, key: Key, *, timed: bool = True) -> Reading:
        at = self.insertion(data, key) if timed else None
        return *key, data.draw(VALUES), data.draw(QUALITIES), at

    # ---- Postgres ----------------------------------------------------------------------------------------------

    def ingest(self, readings: Collection[Reading]) -> None:
        """Insert readings: who was first stays."""
        self.farm.ingest(readings)
        for reading in readings:
            if reading[:2] not in self.model.rows:
                self._write(reading)

    def upsert(self, readings: Collection[Reading]) -> None:
        self.farm.upsert(readings)
        for reading in readings:
            self._write(reading)

    def _write(self, reading: Reading) -> None:
        sensor, ts, value, quality, inserted_at = reading
        self.model.rows[sensor, ts] = Row.of(value, quality, inserted_at)
        self.inserted[sensor, ts] = inserted_at

    def happened(self, what: str) -> None:
        type(self).history = (*self.history, what)
        self._found = None

    # ---- time and the controller --------------------------------------------------------------------------------

    def let_time_pass(self, data: Data) -> None:
        now = self.farm.clock.now
        to_midnight = midnight(now.date()) + DAY + LAG - now
        spans = st.sampled_from([LAG, timedelta(0), MICROSECOND, timedelta(hours=5), to_midnight, DAY])
        self.farm.clock.now += max(timedelta(0), data.draw(spans) + data.draw(NEAR))

    def tick(self) -> None:
        self.farm.replicate()
        self.model.tick(self.farm.clock.now)

    def backfill(self, days: int, *, replace: bool) -> None:
        self.farm.backfill(days, replace_existing=replace)
        self.model.backfill(self.farm.clock.now, days, replace=replace)

    def kill(
        self,
        changes: int,
        work: Callable[[], None],
        model_work: Callable[[Model], None],
        emptied: Collection[date] = (),
    ) -> None:
        """Kill the process after so many changes of files, start it again, and see by its state how far it was.

        It may have left some dates `emptied`.
        """
        was, whole = self.model, copy.deepcopy(self.model)
        model_work(whole)
        try:
            with POWER.cut_after(changes, self.root):
                work()
        except PowerCutError:
            self.farm.restart()
        else:
            self.model = whole
            return
        state = self.state_on_disk()
        assert state in (_state_of(was), _state_of(whole))
        if state == _state_of(was):
            self.model.broken_off(whole, emptied)
        else:
            self.model = whole

    def state_on_disk(self) -> tuple[datetime | None, ...]:
        text = json.loads((self.root / "lake/hot/_state/replication.json").read_text())
        names = ("computed_through_ts", "backfill_from_ts", "backfill_to_ts")
        return tuple(text[name] and datetime.fromisoformat(text[name]) for name in names)

    # ---- what is found ------------------------------------------------------------------------------------------

    def found(self) -> Validation:
        """Return what the runbook's checks say of the farm as it is now."""
        if self._found is None:
            self._found = self.validator.validate()
        return self._found

    def promise(self) -> Promise:
        promise = self.model.promise()
        assert promise is not None
        return promise

    def count_as_the_model(self, window: Window) -> WindowCount:
        scope, proof = Scope(window, self.farm.coverage()), self.farm.proof()
        counted = proof.count_window(scope)
        together = [window, *(window.halves() if window.start < window.end else ())]
        assert list(proof.count_windows(scope, together)) == [
            proof.count_window(scope.narrowed(one)) for one in together
        ]
        totals = self.model.totals(self.promise()._replace(start=window.start, end=window.end))
        rows = {row.sensor_id: row for row in counted.rows}
        assert rows.keys() <= totals.keys()
        for sensor, expected in totals.items():
            if row := rows.get(sensor):
                assert (row.postgres, row.not_due) == (expected.due, expected.not_due), (sensor, window)
                assert expected.lake_least <= row.lake <= expected.lake_most, (sensor, window)
                assert row.matches == (row.postgres == row.lake), (sensor, window)
            else:
                assert (expected.due, expected.not_due, expected.lake_least) == (0, 0, 0), (sensor, window)
        return counted


def _state_of(model: Model) -> tuple[datetime | None, ...]:
    return model.watermark, model.backfill_from, model.backfill_to
