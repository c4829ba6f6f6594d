"""The lake is digested ahead of Postgres, and its digests are those of what is due all the same."""

from collections.abc import Generator, Iterator
from datetime import timedelta
from pathlib import Path
from threading import Event

import pyarrow as pa
import pytest

from tests.integration.engine.conftest import NOON
from tests.integration.engine.farm import Farm
from tsse_validation.clients.snapshot import Snapshot
from tsse_validation.domain.coverage import Scope
from tsse_validation.domain.digest import DIGEST_SCHEMA, KEY_SCHEMA, add_digests
from tsse_validation.domain.slicing import Pace
from tsse_validation.domain.windows import spanned
from tsse_validation.lake import tasks
from tsse_validation.lake.rows import LakeRows
from tsse_validation.parity import lake_side
from tsse_validation.parity.direct import DirectProof
from tsse_validation.parity.lake_side import LakeSide
from tsse_validation.parity.postgres_side import SideOfDays

SENSORS = tuple(f"sensor_{number}" for number in range(7))
HOUR = timedelta(hours=1)
DAYS = 4
ROWS = [
    (sensor, NOON - hours * HOUR, float(hours), 0, NOON - hours * HOUR)
    for sensor in SENSORS
    for hours in range(1, 24 * DAYS)
]
UPSERTED = ROWS[5::60]


@pytest.fixture(params=[12 * 1024 * 1024, 1], ids=["dates together", "a shard at a time"])
def farm(
    request: pytest.FixtureRequest, conninfo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Farm]:
    """Make a lake that has an older version of some rows: the newer one is not due yet. Cut it in several ways."""
    made = Farm(conninfo, tmp_path, NOON, shards=3)
    made.ingest(ROWS)
    made.backfill(DAYS)
    made.upsert((sensor, ts, -value, 1, NOON) for sensor, ts, value, *_ in UPSERTED)
    monkeypatch.setattr(tasks, "BATCH_BYTES", request.param)
    yield made
    made.close()


def in_order(digests: pa.Table) -> pa.Table:
    return digests.select(DIGEST_SCHEMA.names).sort_by([("sensor_id", "ascending"), ("day", "ascending")])


def sides(farm: Farm, scope: Scope, days_each: int) -> Iterator[SideOfDays]:
    """Yield what Postgres tells of some days at a time, without its digests."""
    parts = list(scope.split_by_day())
    for first in range(0, len(parts), days_each):
        some = parts[first : first + days_each]
        part = scope.narrowed(spanned(part.window for part in some))
        with farm.client.snapshot() as snapshot:
            yield SideOfDays(part, DIGEST_SCHEMA.empty_table(), snapshot.not_due_keys(part))


@pytest.mark.parametrize("days_each", [1, 2, 30])
@pytest.mark.parametrize("ahead", [0, 1, 100])
def test_digests_taken_ahead_are_those_taken_with_what_is_due_known(
    farm: Farm, days_each: int, ahead: int
) -> None:
    scope = Scope.covered_by(farm.coverage())
    ours = LakeSide(LakeRows(farm.reader), scope, farm.shards)
    not_due = 0
    for theirs in sides(farm, scope, days_each):
        for _ in range(ahead):
            ours.go_ahead()
        known = LakeRows(farm.reader).digests(theirs.scope, theirs.not_due)
        assert in_order(ours.of(theirs)) == in_order(add_digests([part for _, part in known]))
        not_due += theirs.not_due.num_rows
    assert not_due == len(UPSERTED)
    assert not ours.go_ahead()


def test_only_shard_days_with_a_key_that_is_not_due_are_digested_again(
    farm: Farm, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[frozenset[tasks.ShardDay] | None] = []
    lines = LakeRows.lines

    def noted(self: LakeRows, scope: Scope, keys: pa.Table, **more: object) -> Generator[tuple[Scope, pa.Table]]:
        asked.append(more.get("only"))  # type: ignore[arg-type]
        return lines(self, scope, keys, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(LakeRows, "lines", noted)
    rows = farm.digest_days()
    assert all(row.matches for row in rows)
    assert sum(row.postgres for row in rows) == len(ROWS) - len(UPSERTED)
    first, again = asked
    assert first is None
    assert again is not None
    assert 0 < len(again) <= len(UPSERTED) < 3 * DAYS


def test_the_lake_waits_for_postgres_where_much_waits_already(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lake_side, "MOST_LINES_AHEAD", 1)
    monkeypatch.setattr(tasks, "BATCH_BYTES", 1)
    scope = Scope.covered_by(farm.coverage())
    ours = LakeSide(LakeRows(farm.reader), scope, farm.shards)
    assert ours.go_ahead()
    assert not ours.go_ahead()
    everything = SideOfDays(scope, DIGEST_SCHEMA.empty_table(), KEY_SCHEMA.empty_table())
    known = LakeRows(farm.reader).digests(scope, everything.not_due)
    assert in_order(ours.of(everything)) == in_order(add_digests([part for _, part in known]))


@pytest.mark.parametrize("growth", [1, 1 / 28])
def test_a_row_lost_beside_keys_that_are_not_due_is_found(farm: Farm, growth: float) -> None:
    sensor, ts, *_ = ROWS[4]
    farm.connection.execute("UPDATE metrics SET value = value + 1 WHERE sensor_id = %s AND ts = %s", (sensor, ts))
    proof = DirectProof(farm.client, farm.reader, pace=Pace(growth=growth))
    rows = proof.compare_sensor_days(Scope.covered_by(farm.coverage()))
    assert [(row.sensor_id, row.day) for row in rows if not row.matches] == [(sensor, ts.date())]


def test_whoever_watches_is_told_that_postgres_is_waited_for(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    told, digests, waited_for = list[str](), Snapshot.digests, Event()

    def slow(self: Snapshot, *args: object, **more: object) -> pa.Table:
        assert waited_for.wait(30)
        return digests(self, *args, **more)  # type: ignore[arg-type]

    def on_day(done: int, total: int | None, message: str, *, rows: int = 0) -> None:
        told.append(f"{done} of {total}, {rows > 0}: {message}")
        if message == "waiting for Postgres":
            waited_for.set()

    monkeypatch.setattr(Snapshot, "digests", slow)
    scope = Scope.covered_by(farm.coverage())
    assert all(row.matches for row in farm.proof().compare_sensor_days(scope, on_day=on_day))
    until, days = scope.window.end.date(), len(list(scope.window.days()))
    assert told[-2:] == [
        f"{days} of {days}, True: digested up to {until}",
        f"{days} of {days}, False: waiting for Postgres",
    ]
