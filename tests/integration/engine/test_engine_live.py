"""What happens on both sides between the listing, the snapshot and the reading raises no false alarm."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from threading import Event
from typing import Any

import psycopg
import pytest

from fixtures.controller import housekeeping
from tests.integration.engine import naive
from tests.integration.engine.conftest import NOON
from tests.integration.engine.farm import Farm, Row, told
from tsse_validation.clients.snapshot import Snapshot
from tsse_validation.domain.coverage import Scope
from tsse_validation.domain.instants import MICROSECOND
from tsse_validation.lake.reader import LakeReader
from tsse_validation.lake.rows import LakeRows
from tsse_validation.parity.lake_side import LakeSide

SENSORS = ("0137f2f857d4dd34c390573c", "forecast_wind")
HOUR = timedelta(hours=1)
OLD = [
    (sensor, NOON - timedelta(days=2) + n * HOUR, float(n), 0, NOON - timedelta(days=2) + n * HOUR)
    for sensor in SENSORS
    for n in range(47)
]
UPSERTED = OLD[5]


def ingest(farm: Farm) -> None:
    farm.ingest([(sensor, farm.clock.now - 5 * MICROSECOND, 1.0, 0, farm.clock.now) for sensor in SENSORS])


def late(farm: Farm) -> None:
    farm.ingest((sensor, ts + timedelta(seconds=1), 3.0, 0, farm.clock.now) for sensor, ts, *_ in OLD)


def upsert(farm: Farm) -> None:
    farm.upsert([(UPSERTED[0], UPSERTED[1], -1.0, 1, farm.clock.now)])


def replicate(farm: Farm) -> None:
    farm.clock.advance(minutes=5)
    farm.replicate()


def compact(farm: Farm) -> None:
    """Replicate a row at a time until the shard-day's files are merged, all of them replaced."""
    before = set(farm.files())
    for second in range(2, 5):
        farm.ingest(
            (sensor, ts + second * timedelta(seconds=1), 4.0, 0, farm.clock.now) for sensor, ts, *_ in OLD[::9]
        )
        replicate(farm)
    assert any(path.name.startswith("compact-") for path in set(farm.files()) - before)


def backfill(farm: Farm) -> None:
    farm.clock.advance(minutes=5)
    farm.backfill(3)


def retire(farm: Farm) -> None:
    """Let all old dates move to the cold lake."""
    farm.clock.advance(days=50)
    farm.replicate()
    farm.clock.advance(days=50)
    farm.replicate()


def rewrite(farm: Farm) -> None:
    """Rewrite the table as a chunk is when it is compressed: an older snapshot finds no row of it any more.

    Nobody can while a transaction of ours has read it: the server's lock keeps them out.
    """
    with suppress(psycopg.errors.LockNotAvailable), farm.connection.transaction():
        farm.connection.execute("SET LOCAL lock_timeout = '1s'")
        farm.connection.execute("CREATE TEMP TABLE kept ON COMMIT DROP AS TABLE metrics")
        farm.connection.execute("TRUNCATE metrics")
        farm.connection.execute("INSERT INTO metrics SELECT * FROM kept")


def all_of(*changes: Callable[[Farm], None]) -> Callable[[Farm], None]:
    def change(farm: Farm) -> None:
        for one in changes:
            one(farm)

    return change


CHANGES = {
    "rows come in": all_of(ingest, late, upsert),
    "rows come in and are replicated": all_of(ingest, late, upsert, replicate),
    "a compaction": compact,
    "a backfill": all_of(late, backfill),
    "a retirement to the cold lake": retire,
    "a chunk that is rewritten": rewrite,
    "an upsert that is compacted": all_of(upsert, compact),
    "an upsert that a backfill takes up": all_of(upsert, backfill),
}
UNHEALING = {name: change for name, change in CHANGES.items() if "backfill" not in name}


class Meanwhile:
    """Lets a change happen once, at a moment that a test names."""

    def __init__(self, farm: Farm, change: Callable[[Farm], None], patch: pytest.MonkeyPatch) -> None:
        self._farm = farm
        self._change = change
        self._patch = patch
        self.happened = 0

    def happen(self) -> None:
        if not self.happened:
            self.happened = 1
            self._change(self._farm)

    def before(self, owner: type, method: str) -> None:
        found = getattr(owner, method)

        def called(*args: Any, **more: Any) -> Any:
            self.happen()
            return found(*args, **more)

        self._patch.setattr(owner, method, called)

    def after(self, owner: type, method: str) -> None:
        found = getattr(owner, method)

        def called(*args: Any, **more: Any) -> Any:
            result = found(*args, **more)
            self.happen()
            return result

        self._patch.setattr(owner, method, called)

    def between(self, first: tuple[type, str], then: tuple[type, str]) -> None:
        """Hold back what one thread calls until another has called something else, and the change was made."""
        changed, found = Event(), getattr(*then)
        self.after(*first)
        happen = self.happen

        def called(*args: Any, **more: Any) -> Any:
            assert changed.wait(30)
            return found(*args, **more)

        def happen_first() -> None:
            happen()
            changed.set()

        self.happen = happen_first  # type: ignore[method-assign]
        self._patch.setattr(*then, called)


COUNT_MOMENTS: dict[str, Callable[[Meanwhile], None]] = {
    "before the listing": lambda change: change.before(LakeReader, "listing"),
    "between the listing and the snapshot": lambda change: change.after(LakeReader, "listing"),
    "between the snapshot and the reading": lambda change: change.before(Snapshot, "not_due_keys"),
}
MOMENTS = COUNT_MOMENTS | {
    "once the lake was digested, before Postgres is asked": lambda change: change.between(
        (LakeSide, "go_ahead"), (Snapshot, "digests")
    ),
    "before what is not due is left out of the lake's digests": lambda change: change.before(LakeSide, "of"),
    "before the pending keys are read": lambda change: change.before(LakeRows, "pending_keys"),
}
ROW_MOMENTS: dict[str, Callable[[Meanwhile], None]] = {
    "before the listing": MOMENTS["before the listing"],
    "between the listing and the snapshot": MOMENTS["between the listing and the snapshot"],
    "before Postgres's rows are read": lambda change: change.before(Snapshot, "due_rows"),
    "between Postgres's rows and the lake's": lambda change: change.before(LakeRows, "newest_rows"),
    "before the copies are looked for": lambda change: change.before(LakeRows, "copies_in_a_file"),
}


@pytest.fixture
def farm(conninfo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Farm]:
    """Two days of readings in the lake, which is compacted as soon as a shard-day has three files."""
    monkeypatch.setattr(housekeeping, "COMPACTION_THRESHOLD_FILES", 2)
    made = Farm(conninfo, tmp_path, NOON, cold=True)
    made.ingest(OLD)
    made.backfill(3)
    made.clock.advance(minutes=1)
    yield made
    made.close()


@pytest.fixture(params=list(CHANGES.values()), ids=list(CHANGES))
def meanwhile(request: pytest.FixtureRequest, farm: Farm, monkeypatch: pytest.MonkeyPatch) -> Meanwhile:
    return Meanwhile(farm, request.param, monkeypatch)


@pytest.mark.parametrize("moment", MOMENTS.values(), ids=MOMENTS)
def test_what_changes_while_the_digests_are_taken_is_no_false_alarm(
    moment: Callable[[Meanwhile], None], meanwhile: Meanwhile, farm: Farm
) -> None:
    coverage, window, proof = farm.coverage(), farm.covered(), farm.proof()
    moment(meanwhile)
    rows = proof.compare_sensor_days(Scope(window, coverage))
    assert meanwhile.happened
    assert [row for row in rows if not row.matches] == []
    assert len(OLD) - 1 <= sum(row.postgres for row in rows) <= len(OLD)


@pytest.mark.parametrize("moment", COUNT_MOMENTS.values(), ids=COUNT_MOMENTS)
def test_what_changes_while_a_window_is_counted_is_no_false_alarm(
    moment: Callable[[Meanwhile], None], meanwhile: Meanwhile, farm: Farm
) -> None:
    coverage, window, proof = farm.coverage(), farm.covered(), farm.proof()
    moment(meanwhile)
    assert proof.count_window(Scope(window, coverage)).mismatching == ()
    assert meanwhile.happened


@pytest.mark.parametrize("moment", COUNT_MOMENTS.values(), ids=COUNT_MOMENTS)
def test_what_changes_while_many_windows_are_counted_is_no_false_alarm(
    moment: Callable[[Meanwhile], None], meanwhile: Meanwhile, farm: Farm
) -> None:
    coverage, window, proof = farm.coverage(), farm.covered(), farm.proof()
    moment(meanwhile)
    quarters = [quarter for half in window.halves() for quarter in half.halves()]
    counted = list(proof.count_windows(Scope(window, coverage), [window, *quarters, *window.split_by_day()]))
    assert [of.mismatching for of in counted] == [()] * len(counted)
    assert meanwhile.happened


@pytest.mark.parametrize("moment", ROW_MOMENTS.values(), ids=ROW_MOMENTS)
def test_what_changes_while_the_rows_are_compared_is_no_false_alarm(
    moment: Callable[[Meanwhile], None], meanwhile: Meanwhile, farm: Farm
) -> None:
    coverage, window, proof = farm.coverage(), farm.covered(), farm.proof()
    rows = farm.digest_days()
    moment(meanwhile)
    assert set(told(proof.compare_rows(Scope(window, coverage), rows))) == set()
    assert meanwhile.happened


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_changes_after_the_digests_is_no_false_alarm(change: Callable[[Farm], None], farm: Farm) -> None:
    """The rows are read from the listing that the digests were taken of, and by a snapshot of their own."""
    coverage, window, proof = farm.coverage(), farm.covered(), farm.proof()
    rows = proof.compare_sensor_days(Scope(window, coverage))
    assert all(row.matches for row in rows)
    change(farm)
    assert set(told(proof.compare_rows(Scope(window, coverage), rows))) == set()


@pytest.mark.parametrize("change", UNHEALING.values(), ids=UNHEALING)
def test_a_row_that_was_lost_before_is_found_whatever_happens_meanwhile(
    change: Callable[[Farm], None], farm: Farm, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost: Row = ("forecast_wind", NOON - timedelta(hours=30, seconds=30), 1.0, 0, NOON - timedelta(hours=20))
    farm.ingest([lost])
    coverage, window, proof = farm.coverage(), farm.covered(), farm.proof()
    meanwhile = Meanwhile(farm, change, monkeypatch)
    MOMENTS["between the listing and the snapshot"](meanwhile)
    differing = [row for row in proof.compare_sensor_days(Scope(window, coverage)) if not row.matches]
    assert [(row.sensor_id, row.day) for row in differing] == [("forecast_wind", lost[1].date())]
    assert set(told(proof.compare_rows(Scope(window, coverage), differing))) == {
        ("forecast_wind", naive.micros(lost[1]), "missing")
    }
