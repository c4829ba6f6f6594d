"""Two seals are compared without reading anything: a row that differs is told by its sensor-day, no other."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import count

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.sealing import filed, in_part, lake_lines
from tsse_validation.domain.contract import Replication
from tsse_validation.domain.coverage import Coverage, Scope
from tsse_validation.domain.digest import ROW_SCHEMA, digest_days
from tsse_validation.domain.errors import NotCheckedError
from tsse_validation.lake.shards import shard_of
from tsse_validation.runlog.database_record import DatabaseSeen
from tsse_validation.seals.seal import (
    KEYS_SCHEMA,
    LINE_SCHEMA,
    NOT_DUE,
    Examined,
    FileFault,
    LakeRead,
    PostgresRead,
    Seal,
    SealFacts,
    SealSide,
    Stamp,
)
from tsse_validation.seals.seal_comparing import Left, SealComparison, compare_seals
from tsse_validation.seals.seal_file import seal_bytes, seal_of
from tsse_validation.seals.sealed_parts import promised_parts

START = datetime(2026, 3, 1, tzinfo=UTC)
COVERAGE = Coverage(START, START + timedelta(days=3), START + timedelta(days=3, hours=1))
PARTS = promised_parts(Scope.covered_by(COVERAGE))
SHARDS = 4
STAMP = Stamp(made_at=START, host="farm", user="tsse", suite_version="1")
STATE = Replication(
    backfill_from_ts=COVERAGE.backfill_from,
    backfill_to_ts=COVERAGE.backfill_to,
    computed_through_ts=COVERAGE.watermark,
)
DATABASE = DatabaseSeen(
    server="farm:5432/tsse",
    address=None,
    database="tsse",
    role="reader",
    tables_in="public",
    standby=False,
    version="17.0",
)
Key = tuple[str, datetime]
Rows = Mapping[Key, float]

KEYS = st.tuples(
    st.sampled_from(["a", "b", "c", "forecast|0"]),
    st.integers(0, 2 * 24).map(lambda hours: START + timedelta(hours=hours)),
)
ROWS = st.dictionaries(KEYS, st.floats(), min_size=1, max_size=40)


def digests_of(rows: Rows) -> pa.Table:
    table = pa.Table.from_pylist(
        [
            {"sensor_id": sensor, "ts": ts.replace(tzinfo=None), "value": value, "quality": 0}
            for (sensor, ts), value in rows.items()
        ],
        schema=ROW_SCHEMA,
    )
    return digest_days(table)


def of_postgres(rows: Rows, not_due: tuple[Key, ...] = (), **facts: object) -> Seal:
    told = digests_of(rows)
    lines = in_part(0, told.add_column(0, "shard", pa.array([""] * told.num_rows, pa.string())))
    keys = [{"part": 0, "sensor_id": sensor, "ts": ts.replace(tzinfo=None)} for sensor, ts in not_due]
    seen = PostgresRead(database=DATABASE)
    said = SealFacts(side=SealSide.POSTGRES, parts=PARTS, postgres=seen).model_copy(update=facts)
    return filed(Seal(said, STAMP, lines, {NOT_DUE: pa.Table.from_pylist(keys, schema=KEYS_SCHEMA)}))


def of_lake(rows: Rows, as_of: Seal | None, state: Replication = STATE, **facts: object) -> Seal:
    read = LakeRead(
        hot="/lake/hot",
        cold=None,
        shards=SHARDS,
        replication=state.model_dump_json(),
        manifest="{}",
        as_of=as_of.stamp.sha256 if as_of else "",
    )
    said = SealFacts(side=SealSide.LAKE, parts=PARTS, lake=read).model_copy(update=facts)
    return filed(Seal(said, STAMP, lake_lines(0, digests_of(rows), SHARDS), {}))


def compared(postgres: Rows, lake: Rows) -> SealComparison:
    sealed = of_postgres(postgres, parts=PARTS[:1])
    return compare_seals(sealed, of_lake(lake, sealed, parts=PARTS[:1]))


def naively(postgres: Rows, lake: Rows) -> set[tuple[str, date]]:
    """Return the sensor-days of the keys that both sides do not hold with the same value, by the value's bits."""
    bits = {side: {key: _bits(value) for key, value in rows.items()} for side, rows in enumerate((postgres, lake))}
    return {
        (sensor, ts.date())
        for sensor, ts in postgres.keys() | lake.keys()
        if bits[0].get((sensor, ts)) != bits[1].get((sensor, ts))
    }


def _bits(value: float) -> str:
    return value.hex()


def days_of(comparison: SealComparison) -> set[tuple[str, date | None]]:
    return {(row.sensor_id, row.day) for row in comparison.differing}


@settings(max_examples=25)
@given(ROWS)
def test_seals_of_the_same_rows_are_alike(rows: Rows) -> None:
    told = compared(rows, rows)
    assert told.alike
    assert told.rows == len(rows)


@settings(max_examples=25)
@given(ROWS, ROWS)
def test_the_sensor_days_that_differ_are_those_of_a_naive_comparison(postgres: Rows, lake: Rows) -> None:
    told = compared(postgres, lake)
    assert days_of(told) == naively(postgres, lake)
    assert told.alike == (not naively(postgres, lake))


@settings(max_examples=25)
@given(ROWS, st.data(), st.sampled_from(["changed", "missing", "extra"]))
def test_a_single_row_is_told_by_its_sensor_day_and_no_other(rows: Rows, data: st.DataObject, fault: str) -> None:
    key = data.draw(st.sampled_from(sorted(rows)))
    lake = dict(rows)
    if fault == "changed":
        lake[key] = 1.0 if rows[key] != 1.0 else 2.0
    elif fault == "missing":
        del lake[key]
    else:
        key = (key[0], key[1] + timedelta(seconds=1))
        lake[key] = 0.0
    assert days_of(compared(rows, lake)) == {(key[0], key[1].date())}


# ---- a pair of seals that say nothing about each other ---------------------------------------------------------

ROW = {("a", START): 1.0, ("b", START): 2.0}
LATER = replace(COVERAGE, watermark=COVERAGE.watermark + timedelta(minutes=1))
A_MINUTE = timedelta(minutes=1)
Pair = Callable[[Seal], tuple[Seal, Seal]]
PAIRS: Mapping[str, Pair] = {
    "The first is the seal of the lake": lambda pg: (of_lake(ROW, pg), pg),
    "Both are seals of the lake": lambda pg: (of_lake(ROW, pg), of_lake(ROW, pg)),
    "Both are seals of Postgres": lambda pg: (pg, pg),
    "Postgres's seal is not complete": lambda pg: (
        of_postgres(ROW, complete=False),
        of_lake(ROW, pg),
    ),
    "The lake's seal is not complete": lambda pg: (pg, of_lake(ROW, pg, complete=False)),
    "as of another seal of Postgres": lambda pg: (pg, of_lake(ROW, of_postgres({("a", START): 9.0}))),
    "different parts: the watermark": lambda pg: (
        pg,
        of_lake(ROW, None, parts=promised_parts(Scope.covered_by(LATER))),
    ),
    "different parts: 3 parts": lambda pg: (pg, of_lake(ROW, None, parts=PARTS[:1])),
    "the lake's seal is older": lambda pg: (
        pg,
        of_lake(ROW, pg, STATE.model_copy(update={"computed_through_ts": COVERAGE.watermark - A_MINUTE})),
    ),
    "two backfills, or lakes": lambda pg: (
        pg,
        of_lake(ROW, pg, STATE.model_copy(update={"backfill_to_ts": COVERAGE.backfill_to + A_MINUTE})),
    ),
    "had no completed backfill": lambda pg: (pg, of_lake(ROW, pg, Replication())),
    "Both seals are empty": lambda _pg: ((empty := of_postgres({})), of_lake({}, empty)),
}


@pytest.mark.parametrize("said", PAIRS)
def test_a_pair_that_proves_nothing_is_refused_with_the_reason(said: str) -> None:
    with pytest.raises(NotCheckedError, match=said) as refused:
        compare_seals(*PAIRS[said](of_postgres(ROW)))
    assert refused.value.advice


def _with_lines(seal: Seal, change: Callable[[list[dict[str, object]]], object]) -> Seal:
    rows = seal.lines.to_pylist()
    change(rows)
    return filed(replace(seal, lines=pa.Table.from_pylist(rows, schema=LINE_SCHEMA)))


CONTRADICTIONS: Mapping[str, Callable[[list[dict[str, object]]], object]] = {
    "1 line of sensor-days that it has already": lambda rows: rows.append(rows[0]),
    "2 lines outside of its parts": lambda rows: [row.update(part=7) for row in rows],
    "1 line outside": lambda rows: rows[0].update(day=date(2020, 1, 1)),
    "has no rows": lambda rows: rows[0].update(rows=0),
    "lacks a value": lambda rows: rows[0].update(digest=None),
}


@pytest.mark.parametrize("said", CONTRADICTIONS)
@pytest.mark.parametrize("side", SealSide)
def test_a_seal_whose_lines_contradict_it_is_refused(said: str, side: SealSide) -> None:
    postgres = of_postgres(ROW)
    lake = of_lake(ROW, postgres)
    if side is SealSide.POSTGRES:
        postgres = _with_lines(postgres, CONTRADICTIONS[said])
        lake = of_lake(ROW, postgres)
    else:
        lake = _with_lines(lake, CONTRADICTIONS[said])
    with pytest.raises(NotCheckedError, match=said):
        compare_seals(postgres, lake)


def test_a_seal_of_postgres_with_a_shard_or_keys_of_no_part_is_refused() -> None:
    with pytest.raises(NotCheckedError, match="has shards"):
        compare_seals(
            sealed := _with_lines(of_postgres(ROW), lambda rows: rows[0].update(shard="01")), of_lake(ROW, sealed)
        )
    sealed = of_postgres(ROW, (("a", START - timedelta(days=1)),))
    with pytest.raises(NotCheckedError, match=r"keys \(not_due\) outside"):
        compare_seals(sealed, of_lake(ROW, sealed))


def test_a_covered_range_without_a_row_on_either_side_proves_nothing_whatever_lies_beyond_it() -> None:
    rows = {("a", START - timedelta(days=9)): 1.0}
    lines = digests_of(rows)
    number = next(n for n, part in enumerate(PARTS) if START - timedelta(days=9) in part.window)
    empty = of_postgres({})
    told = lines.add_column(0, "shard", pa.array([""] * lines.num_rows, pa.string()))
    postgres = filed(replace(empty, lines=in_part(number, told)))
    lake = filed(replace(of_lake({}, postgres), lines=lake_lines(number, lines, SHARDS)))
    with pytest.raises(NotCheckedError, match="empty in the covered range"):
        compare_seals(postgres, lake)


# ---- what is left ----------------------------------------------------------------------------------------------


def _left(postgres: Rows, not_due: int, lake: Rows) -> SealComparison:
    keys = tuple(("a", START + timedelta(minutes=number)) for number in range(not_due))
    return compare_seals(of_postgres(postgres, keys), of_lake(lake, None))


def test_older_versions_of_keys_not_due_leave_a_sensor_day_open_without_as_of() -> None:
    told = _left({("b", START): 2.0}, 1, {("a", START): 0.5, ("b", START): 2.0})
    assert (told.differing, [(one.sensor_id, one.why) for one in told.left]) == ([], [("a", Left.NOT_DUE)])
    assert not any(row.matches for row in told.parts[0].rows if row.sensor_id == "a")


def test_more_rows_than_the_keys_not_due_explain_are_a_fault_all_the_same() -> None:
    told = _left({("b", START): 2.0}, 1, {("a", START): 0.5, ("a", START + A_MINUTE): 1.0, ("b", START): 2.0})
    assert (days_of(told), told.left) == ({("a", START.date())}, [])


def test_fewer_rows_than_are_due_are_a_fault_whatever_is_not_due() -> None:
    told = _left({("a", START + timedelta(hours=1)): 2.0, ("b", START): 2.0}, 3, {("b", START): 2.0})
    assert (days_of(told), told.left) == ({("a", START.date())}, [])


def test_late_arrivals_that_the_lake_has_no_version_of_leave_nothing_open() -> None:
    assert _left(ROW, 3, ROW).alike


def test_the_sensor_days_of_an_unreadable_file_are_left_even_where_they_look_alike() -> None:
    postgres = of_postgres(ROW)
    lake = of_lake(ROW, postgres)
    assert lake.facts.lake is not None
    shard = shard_of("a", SHARDS)
    path = f"hot/metrics/v1/date={START.date()}/shard={shard}/part-1-0.parquet"
    read = lake.facts.lake.model_copy(update={"unreadable": {path: "not a Parquet file"}})
    told = compare_seals(postgres, replace(lake, facts=lake.facts.model_copy(update={"lake": read})))
    expected = {sensor for sensor, _ in ROW if shard_of(sensor, SHARDS) == shard}
    assert {one.sensor_id for one in told.left} == expected
    assert not told.alike
    nobody = path.replace(f"shard={shard}", f"shard={next(f'{n:02d}' for n in count() if f'{n:02d}' != shard)}")
    read = read.model_copy(update={"unreadable": {nobody: "not a Parquet file"}})
    assert compare_seals(postgres, replace(lake, facts=lake.facts.model_copy(update={"lake": read}))).left


def test_rows_in_another_shards_directory_are_told() -> None:
    postgres = of_postgres(ROW)
    lake = _with_lines(of_lake(ROW, postgres), lambda rows: rows[0].update(shard="99"))
    told = compare_seals(postgres, lake)
    assert (told.differing, told.alike) == ([], False)
    assert [shard for _sensor, _day, shard in told.misplaced] == ["99"]


# ---- the file --------------------------------------------------------------------------------------------------


def test_no_byte_of_a_seal_can_be_changed_unnoticed() -> None:
    content = seal_bytes(of_postgres(ROW, (("a", START + A_MINUTE),)))
    for place in range(0, len(content), 41):
        changed = content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]
        with pytest.raises(NotCheckedError):
            seal_of(changed, "a seal")


def test_a_seal_that_is_cut_off_is_none() -> None:
    content = seal_bytes(of_postgres(ROW))
    for end in (0, 4, len(content) // 2, len(content) - 1):
        with pytest.raises(NotCheckedError, match="no whole seal"):
            seal_of(content[:end], "a seal")


@pytest.mark.parametrize("what", ["format", "digest"])
def test_a_seal_of_another_version_is_refused(what: str) -> None:
    sealed = of_postgres(ROW)
    content = seal_bytes(replace(sealed, facts=sealed.facts.model_copy(update={what: 99})))
    with pytest.raises(NotCheckedError, match=f"of {what} version 99"):
        seal_of(content, "a seal")


def test_the_same_rows_give_the_same_bytes() -> None:
    rows = dict(reversed(ROW.items()))
    assert seal_bytes(of_postgres(ROW)) == seal_bytes(of_postgres(rows))


def test_a_file_that_is_not_as_the_contract_wants_it_is_told_though_its_rows_are_found() -> None:
    postgres = of_postgres(ROW)
    lake = of_lake(ROW, postgres)
    assert lake.facts.lake is not None
    fault = FileFault(place="hot", path="date=2026-03-01/shard=00/part-1-0.parquet", what="has a column more")
    for aspect, told in (("schema", ((("schema", fault),))), ("readable", ())):
        read = lake.facts.lake.model_copy(update={"examined": Examined(problems={aspect: (fault,)})})
        compared = compare_seals(postgres, replace(lake, facts=lake.facts.model_copy(update={"lake": read})))
        assert compared.faults == told
        assert compared.alike == (not told)
