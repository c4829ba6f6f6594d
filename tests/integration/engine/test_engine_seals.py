"""Seals of Postgres, held to seals of the lake: of a farm with all that a farm has, and with single faults."""

from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from tests.integration.engine.farm import Farm, Row
from tsse_validation.domain.coverage import Scope
from tsse_validation.domain.instants import utc_now
from tsse_validation.lake.rows import LakeRows
from tsse_validation.lake.shards import shard_of
from tsse_validation.seals.comparing import compare_seals
from tsse_validation.seals.parts import parts_held
from tsse_validation.seals.postgres_sealing import seal_postgres
from tsse_validation.seals.seal import (
    FILE_SCHEMA,
    FILES,
    KEYS_SCHEMA,
    LINE_SCHEMA,
    NOT_DUE,
    PENDING,
    LakeRead,
    Seal,
    SealFacts,
    SealSide,
)
from tsse_validation.seals.seal_file import seal_bytes, seal_of
from tsse_validation.seals.stamping import stamp_of

SENSORS = ("a" * 24, "b" * 24, "forecast|0")


@pytest.fixture
def sealed(farm: Farm) -> Farm:
    """Lend a farm with rows of four days, a late arrival, an upsert that is pending, and a forecast."""
    noon = farm.clock.now
    farm.ingest(_readings(noon))
    farm.backfill(5)
    farm.clock.now += timedelta(minutes=10)
    farm.ingest([(SENSORS[0], noon + timedelta(minutes=2), 1.0, 0, noon + timedelta(minutes=2))])
    farm.ingest([(SENSORS[1], noon + timedelta(days=2), 7.0, 0, noon + timedelta(minutes=3))])
    farm.ingest([(SENSORS[1], noon - timedelta(days=40), 8.0, 0, noon + timedelta(minutes=3))])
    farm.replicate()
    late = farm.clock.now
    farm.ingest([(SENSORS[0], noon - timedelta(days=1, minutes=7), 3.0, 0, late)])
    farm.upsert([(SENSORS[2], noon - timedelta(days=2), 99.0, 0, late)])
    return farm


def _readings(noon: datetime) -> list[Row]:
    return [
        (sensor, noon - timedelta(hours=6 * number), float(number), 0, noon - timedelta(hours=6 * number))
        for sensor in SENSORS
        for number in range(1, 17)
    ]


def _parts(farm: Farm) -> tuple[Scope, ...]:
    return parts_held(farm.client, Scope.covered_by(farm.coverage()))


def _postgres(farm: Farm) -> Seal:
    return _filed(seal_postgres(farm.client, _parts(farm), now=utc_now))


def _filed(seal: Seal) -> Seal:
    return seal_of(seal_bytes(seal), "a seal")


def _lake(farm: Farm, as_of: Seal | None, parts: tuple[Scope, ...] = ()) -> Seal:
    rows, lines, pending = LakeRows(farm.reader), [LINE_SCHEMA.empty_table()], [KEYS_SCHEMA.empty_table()]
    parts = as_of.facts.parts if as_of else parts
    for number, scope in enumerate(parts):
        keys = as_of.tables[NOT_DUE] if as_of else KEYS_SCHEMA.empty_table()
        not_due = keys.filter(pc.equal(keys["part"], number)).drop(["part"])
        for _, digests in rows.digests(scope, not_due):
            shards = [shard_of(sensor, farm.shards) for sensor in digests["sensor_id"].to_pylist()]
            numbers = pa.array([number] * digests.num_rows, pa.int16())
            lines.append(
                digests.add_column(0, "shard", pa.array(shards, pa.string())).add_column(0, "part", numbers)
            )
        held = rows.pending_keys(scope, not_due)
        pending.append(held.add_column(0, "part", pa.array([number] * held.num_rows, pa.int16())))
    facts = SealFacts(
        side=SealSide.LAKE,
        parts=parts,
        lake=LakeRead(
            hot="hot",
            cold=None,
            shards=farm.shards,
            replication=farm.reader.replication().model_dump_json(),
            manifest="{}",
            as_of=as_of.stamp.sha256 if as_of else "",
        ),
    )
    tables = {PENDING: pa.concat_tables(pending), FILES: FILE_SCHEMA.empty_table()}
    return _filed(Seal(facts, stamp_of(utc_now()), pa.concat_tables(lines), tables))


def test_the_seals_of_both_sides_prove_them_alike(sealed: Farm) -> None:
    postgres = _postgres(sealed)
    compared = compare_seals(postgres, _lake(sealed, postgres))
    assert (compared.differing, compared.left, compared.alike) == ([], [], True)
    assert compared.rows == 16 * len(SENSORS) - 1 + 3
    (_, before, after) = compared.parts
    assert (sum(row.postgres for row in before.rows), sum(row.postgres for row in after.rows)) == (1, 1)


def test_without_as_of_the_sensor_day_of_an_older_version_is_left(sealed: Farm) -> None:
    postgres = _postgres(sealed)
    compared = compare_seals(postgres, _lake(sealed, None, postgres.facts.parts))
    day = (sealed.clock.now - timedelta(days=2)).date()
    assert compared.differing == []
    assert [(one.sensor_id, one.day) for one in compared.left] == [(SENSORS[2], day)]
    assert not compared.alike
