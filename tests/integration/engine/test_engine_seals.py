"""Seals of Postgres, held to seals of the lake: of a farm with all that a farm has, and with single faults."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import count

import pytest

from tests.integration.engine import naive
from tests.integration.engine.farm import Farm, Row, is_row, rewritten
from tests.support.sealing import filed, lake_seal
from tsse_validation.domain.coverage import Scope
from tsse_validation.domain.errors import NotCheckedError, UnreachableError
from tsse_validation.domain.instants import utc_now
from tsse_validation.parity.postgres_side import PostgresSide, SideOfDays
from tsse_validation.seals.postgres_sealing import PostgresSealing, seal_postgres
from tsse_validation.seals.seal import NOT_DUE, Seal
from tsse_validation.seals.seal_comparing import Left, SealComparison, compare_seals
from tsse_validation.seals.sealed_parts import parts_held

SENSORS = ("a" * 24, "b" * 24, "forecast|0")
PER_SENSOR = 16
SensorDay = tuple[str, date]


@pytest.fixture
def sealed(farm: Farm) -> Farm:
    """Lend a farm with rows of four days, a forecast, an import, a late arrival, and an upsert that is pending."""
    noon = farm.clock.now
    farm.ingest(_readings(noon))
    farm.backfill(5)
    farm.clock.now += timedelta(minutes=10)
    farm.ingest([(SENSORS[0], noon + timedelta(minutes=2), 1.0, 0, noon + timedelta(minutes=2))])
    farm.ingest([(SENSORS[1], noon + timedelta(days=2), 7.0, 0, noon + timedelta(minutes=3))])
    farm.ingest([(SENSORS[1], noon - timedelta(days=40), 8.0, 0, noon + timedelta(minutes=3))])
    farm.replicate()
    late = farm.clock.now
    farm.ingest([(SENSORS[0], noon - timedelta(days=3, minutes=7), 3.0, 0, late)])
    farm.upsert([(SENSORS[2], noon - timedelta(days=2), 99.0, 0, late)])
    return farm


def _readings(noon: datetime) -> list[Row]:
    return [
        (sensor, noon - timedelta(hours=6 * number), float(number), 0, noon - timedelta(hours=6 * number))
        for sensor in SENSORS
        for number in range(1, PER_SENSOR + 1)
    ]


def _parts(farm: Farm) -> tuple[Scope, ...]:
    return parts_held(farm.client, Scope.covered_by(farm.coverage()))


def _postgres(farm: Farm, resume: Seal | None = None) -> Seal:
    parts = resume.facts.parts if resume else _parts(farm)
    return filed(seal_postgres(farm.client, parts, now=utc_now, resume=resume))


def _compared(farm: Farm) -> SealComparison:
    postgres = _postgres(farm)
    return compare_seals(postgres, lake_seal(farm.reader, postgres))


def _days(compared: SealComparison) -> set[tuple[str, date | None]]:
    return {(row.sensor_id, row.day) for row in compared.differing}


def test_the_seals_of_both_sides_prove_them_alike(sealed: Farm) -> None:
    compared = _compared(sealed)
    assert (compared.differing, compared.left, compared.misplaced, compared.alike) == ([], [], (), True)
    not_due, replicated = 1, 3
    assert compared.rows == PER_SENSOR * len(SENSORS) - not_due + replicated
    _covered, before, after = compared.parts
    assert [sum(row.postgres for row in part.rows) for part in (before, after)] == [1, 1]


def test_a_seal_names_the_database_and_the_state_of_each_slice(sealed: Farm) -> None:
    read = _postgres(sealed).facts.postgres
    assert read is not None
    with sealed.client.snapshot() as snapshot:
        assert read.database == snapshot.database()
    assert {one.part for one in read.slices} == {0, 1, 2}
    assert all(one.snapshots for one in read.slices)
    assert not read.database.standby


def test_without_as_of_only_the_sensor_day_of_an_older_version_is_left(sealed: Farm) -> None:
    postgres = _postgres(sealed)
    compared = compare_seals(postgres, lake_seal(sealed.reader, None, postgres.facts.parts))
    day = (sealed.clock.now - timedelta(days=2)).date()
    assert compared.differing == []
    assert [(one.sensor_id, one.day, one.why) for one in compared.left] == [(SENSORS[2], day, Left.NOT_DUE)]
    assert not compared.alike


def test_a_lake_sealed_without_as_of_is_proven_where_all_is_due(sealed: Farm) -> None:
    sealed.replicate()
    sealed.clock.now += timedelta(minutes=10)
    sealed.replicate()
    parts = _parts(sealed)
    compared = compare_seals(_postgres(sealed), lake_seal(sealed.reader, None, parts))
    assert compared.alike


# ---- single faults ---------------------------------------------------------------------------------------------


def _a_row(farm: Farm) -> naive.Key:
    return SENSORS[1], naive.micros(farm.clock.now - timedelta(minutes=10, hours=36))


def _a_row_beyond(farm: Farm) -> naive.Key:
    return SENSORS[1], naive.micros(farm.clock.now - timedelta(minutes=10) + timedelta(days=2))


def _lost_in_the_lake(farm: Farm, key: naive.Key) -> None:
    (path,) = farm.files_of(key)
    with rewritten(path) as rows:
        rows[:] = [row for row in rows if not is_row(row, key)]


def _changed_in_the_lake(farm: Farm, key: naive.Key) -> None:
    (path,) = farm.files_of(key)
    with rewritten(path) as rows:
        for row in rows:
            row["value"] += is_row(row, key)


def _twice_in_the_lake(farm: Farm, key: naive.Key) -> None:
    (path,) = farm.files_of(key)
    with rewritten(path) as rows:
        rows += [row for row in rows if is_row(row, key)]


def _deleted_in_postgres(farm: Farm, key: naive.Key) -> None:
    farm.delete(key)


def _changed_in_postgres(farm: Farm, key: naive.Key) -> None:
    farm.change("quality = 7", key)


@pytest.mark.parametrize("row", [_a_row, _a_row_beyond])
@pytest.mark.parametrize(
    "fault",
    [_lost_in_the_lake, _changed_in_the_lake, _twice_in_the_lake, _deleted_in_postgres, _changed_in_postgres],
)
def test_a_single_fault_is_told_by_its_sensor_day(
    fault: Callable[[Farm, naive.Key], None], row: Callable[[Farm], naive.Key], sealed: Farm
) -> None:
    key = row(sealed)
    fault(sealed, key)
    compared = _compared(sealed)
    assert _days(compared) == {(key[0], naive.day_of(key[1]))}
    assert compared.left == []


# ---- to go on with a seal that was broken off ------------------------------------------------------------------


@pytest.fixture
def broken_off(sealed: Farm, monkeypatch: pytest.MonkeyPatch) -> Seal:
    """Break the sealing of a farm off after the covered range's first days, and return what is kept of it."""
    sealing = PostgresSealing(sealed.client, _parts(sealed), now=utc_now)
    slices = PostgresSide.slices

    def three_days(side: PostgresSide, scope: Scope, *, hashed: bool) -> Iterator[SideOfDays]:
        for number, part in zip(count(), scope.split_by_day(), strict=False):
            if number == 3:
                raise UnreachableError("Postgres has gone.")
            yield from slices(side, part, hashed=hashed)

    with monkeypatch.context() as patch:
        patch.setattr(PostgresSide, "slices", three_days)
        with pytest.raises(UnreachableError):
            sealing.run()
    assert sealing.so_far is not None
    return filed(sealing.so_far)


def _read_anew(seal: Seal, before: Seal) -> set[date]:
    """Return the days of the covered range of which a seal has another state than the one before it."""
    assert seal.facts.postgres is not None
    assert before.facts.postgres is not None
    old = {one.at for one in before.facts.postgres.slices}
    return {
        day
        for one in seal.facts.postgres.slices
        if one.part == 0 and one.at not in old
        for day in one.window.days()
    }


def test_what_was_sealed_before_it_was_broken_off_is_taken_over(sealed: Farm, broken_off: Seal) -> None:
    assert not broken_off.facts.complete
    resumed, whole = _postgres(sealed, broken_off), _postgres(sealed)
    assert resumed.lines.equals(whole.lines)
    assert resumed.tables[NOT_DUE].equals(whole.tables[NOT_DUE])
    days = list(sealed.covered().days())
    assert _read_anew(resumed, broken_off) == set(days[3:])


def _upserted(farm: Farm, noon: datetime) -> None:
    farm.upsert([(SENSORS[0], noon - timedelta(days=3), 5.0, 0, farm.clock.now)])


def _come_in(farm: Farm, noon: datetime) -> None:
    farm.ingest([(SENSORS[1], noon - timedelta(days=3, minutes=1), 5.0, 0, farm.clock.now)])


def _gone_before_it_was_due(farm: Farm, noon: datetime) -> None:
    farm.delete((SENSORS[0], naive.micros(noon - timedelta(days=3, minutes=7))))


@pytest.mark.parametrize("change", [_upserted, _come_in, _gone_before_it_was_due])
def test_a_day_whose_keys_not_due_have_changed_since_is_read_again(
    change: Callable[[Farm, datetime], None], sealed: Farm, broken_off: Seal
) -> None:
    noon = sealed.clock.now - timedelta(minutes=10)
    change(sealed, noon)
    resumed, whole = _postgres(sealed, broken_off), _postgres(sealed)
    assert resumed.lines.equals(whole.lines)
    assert resumed.tables[NOT_DUE].equals(whole.tables[NOT_DUE])
    _first, _second, *others = sealed.covered().days()
    assert _read_anew(resumed, broken_off) == set(others)
    assert compare_seals(resumed, lake_seal(sealed.reader, resumed)).alike


def test_a_seal_broken_off_is_no_proof(sealed: Farm, broken_off: Seal) -> None:
    with pytest.raises(NotCheckedError, match="not complete"):
        compare_seals(broken_off, lake_seal(sealed.reader, broken_off))


def test_what_is_of_other_parts_is_not_taken_over(sealed: Farm, broken_off: Seal) -> None:
    sealed.clock.now += timedelta(minutes=10)
    sealed.replicate()
    with pytest.raises(NotCheckedError, match="promised something else"):
        seal_postgres(sealed.client, _parts(sealed), now=utc_now, resume=broken_off)


def test_what_is_of_another_database_is_not_taken_over(sealed: Farm, broken_off: Seal) -> None:
    read = broken_off.facts.postgres
    assert read is not None
    elsewhere = read.model_copy(update={"database": read.database.model_copy(update={"database": "other"})})
    facts = broken_off.facts.model_copy(update={"postgres": elsewhere})
    with pytest.raises(NotCheckedError, match="of the database other"):
        _postgres(sealed, replace(broken_off, facts=facts))


def test_a_whole_seal_is_not_gone_on_with(sealed: Farm) -> None:
    whole = _postgres(sealed)
    with pytest.raises(NotCheckedError, match="complete"):
        _postgres(sealed, whole)


# ---- where Postgres begins -------------------------------------------------------------------------------------


def test_what_the_lake_holds_of_before_postgres_begins_is_the_lakes_alone(farm: Farm) -> None:
    noon = farm.clock.now
    farm.ingest(_readings(noon))
    farm.backfill(5)
    own = Scope.covered_by(farm.coverage())
    lake = lake_seal(farm.reader, None, (own,))
    farm.connection.execute("DELETE FROM metrics WHERE ts < %s", (noon - timedelta(days=2),))
    compared = compare_seals(filed(seal_postgres(farm.client, [own], now=utc_now)), lake)
    (part,) = compared.parts
    assert compared.differing == []
    assert sum(part.alone.values()) > 0
    assert {one.why for one in compared.left} == {Left.CUT}
    of_postgres = _postgres(farm)
    assert compare_seals(of_postgres, lake_seal(farm.reader, of_postgres)).alike


def test_a_postgres_that_has_lost_all_but_a_forecast_keeps_the_covered_range(
    farm: Farm,
) -> None:
    noon = farm.clock.now
    farm.ingest(_readings(noon))
    farm.backfill(5)
    covered = Scope.covered_by(farm.coverage())
    farm.connection.execute("DELETE FROM metrics")
    farm.ingest([(SENSORS[0], noon + timedelta(days=9), 1.0, 0, noon)])
    assert _parts(farm)[0] == covered
    of_postgres = _postgres(farm)
    lake = lake_seal(farm.reader, of_postgres)
    assert compare_seals(of_postgres, lake).differing
