"""The two queries of a diagnosis, pasted as they stand, show its first rows on both sides among neighbours."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.integration.engine import naive
from tests.integration.engine.farm import Farm, Row, rewritten
from tests.support.builders import run_started, stack_described
from tsse_validation.diagnosis.row_triage import _DIAGNOSES, RowTriage
from tsse_validation.domain.coverage import Scope
from tsse_validation.domain.instants import DAY, day_start
from tsse_validation.lake.shards import shard_of
from tsse_validation.report.model.queries import NEIGHBOURS, Queries, queries_of
from tsse_validation.runlog.records import DatabaseSeen, Finding, RowDifference, SettingValue
from tsse_validation.runlog.result import RunResult

SHARDS = 16
SENSOR = "0137f2f857d4dd34c390573c"
ODD = 'it\'s "odd", \\ $1 \u202e\n%s ü'
"""An id with all that a quoted text may trip over."""
PICKED_DAY = date(2026, 3, 9)
ROWS_A_DAY = 48
FILES = ("wrong schema", "wrong shard", "wrong date", "duplicate rows", "counts differ")
Line = dict[str, Any]
Plant = Callable[[Farm, str], object]


def rows_of(sensor: str) -> Iterator[Row]:
    for number in range(3 * ROWS_A_DAY):
        ts = day_start(PICKED_DAY) - DAY + number * timedelta(minutes=30, microseconds=1_000_001)
        if ts < day_start(PICKED_DAY) + 2 * DAY:
            yield sensor, ts, 20 + number / 7, 0, ts + timedelta(minutes=2)


@pytest.fixture
def farm(conninfo: str, tmp_path: Path) -> Iterator[Farm]:
    made = Farm(conninfo, tmp_path / "the [hot] 'lake'", datetime(2026, 3, 12, 12, tzinfo=UTC), cold=True)
    for sensor in (SENSOR, ODD):
        made.ingest(rows_of(sensor))
    made.backfill(5)
    yield made
    made.close()


def file_of(farm: Farm, sensor: str, day: date = PICKED_DAY) -> Path:
    (path,) = (path for path in farm.files(day) if path.parent.name == f"shard={shard_of(sensor, SHARDS)}")
    return path


def edit(change: Callable[[list[Line]], object]) -> Plant:
    def plant(farm: Farm, sensor: str) -> None:
        with rewritten(file_of(farm, sensor)) as rows:
            change(rows)

    return plant


def keep(wanted: Callable[[Line], bool]) -> Plant:
    def change(rows: list[Line]) -> None:
        rows[:] = [row for row in rows if wanted(row)]

    return edit(change)


def each(column: str, change: Callable[[Any], Any]) -> Plant:
    return edit(lambda rows: [row.update({column: change(row[column])}) for row in rows])


def swap(rows: list[Line]) -> None:
    rows[9]["value"], rows[10]["value"] = rows[10]["value"], rows[9]["value"]


def one(column: str, value: object) -> Plant:
    return edit(lambda rows: rows[9].update({column: value}))


def double(rows: list[Line]) -> None:
    rows += rows[9:12]


def stray(farm: Farm, sensor: str) -> None:
    with rewritten(file_of(farm, sensor)) as rows:
        late = [row for row in rows if row["ts"].hour >= 22]
        rows[:] = [row for row in rows if row["ts"].hour < 22]
    with rewritten(file_of(farm, sensor, PICKED_DAY + DAY)) as rows:
        rows[:0] = late


def hide(farm: Farm, sensor: str) -> None:
    shard = file_of(farm, sensor).parent
    assert farm.service.lake.cold is not None
    there = farm.service.lake.cold / shard.relative_to(farm.service.lake.hot)
    there.parent.mkdir(parents=True)
    shutil.move(shard, there)


def tear(farm: Farm, sensor: str) -> None:
    path = file_of(farm, sensor)
    path.write_bytes(path.read_bytes()[:-100])


def picked(sensor: str) -> list[Row]:
    return [row for row in rows_of(sensor) if row[1].date() == PICKED_DAY][9:12]


def make_stale(farm: Farm, sensor: str) -> None:
    farm.upsert((name, ts, value + 1, 0, farm.coverage().watermark) for name, ts, value, *_ in picked(sensor))


def delete(farm: Farm, sensor: str) -> None:
    farm.delete(*((name, naive.micros(ts)) for name, ts, *_ in picked(sensor)))


PLANTS: list[tuple[str, Plant]] = [
    ("unreadable file", tear),
    ("wrong date", stray),
    ("hidden by the manifest", hide),
    ("sensor id altered", each("sensor_id", str.upper)),
    ("partition missing", lambda farm, sensor: shutil.rmtree(file_of(farm, sensor).parent.parent)),
    ("shard missing", lambda farm, sensor: shutil.rmtree(file_of(farm, sensor).parent)),
    ("day head lost", keep(lambda row: row["ts"].hour >= 6)),
    ("day tail lost", keep(lambda row: row["ts"].hour < 18)),
    ("timestamps shifted", each("ts", lambda ts: ts + timedelta(hours=1))),
    ("timestamps rounded", each("ts", lambda ts: ts.replace(microsecond=0))),
    ("values rounded", each("value", lambda value: round(value, 2))),
    ("values swapped", edit(swap)),
    ("duplicate rows", edit(double)),
    ("stale value", make_stale),
    ("rows missing", keep(lambda row: row["ts"].hour != 12)),
    ("deleted in Postgres", delete),
    ("changed in place", one("value", 99.5)),
    ("quality differs", one("quality", 3)),
]
PLANTED = pytest.mark.parametrize(("diagnosis", "plant"), PLANTS, ids=[name for name, _ in PLANTS])


def test_every_diagnosis_of_a_row_is_planted() -> None:
    # only a soak knows what the lake had before; test_engine_soak plants that
    assert {diagnosis for diagnosis, _ in PLANTS} == set(_DIAGNOSES) - {"committed late"}


def triaged(farm: Farm) -> RowTriage:
    proof, scope = farm.proof(), Scope(farm.covered(), farm.coverage())
    triage = RowTriage(SHARDS, most_shown=1_000)
    for comparison in proof.compare_rows(
        scope, [row for row in proof.compare_sensor_days(scope) if not row.matches]
    ):
        triage.add(comparison)
    return triage


def queries(farm: Farm, finding: Finding, rows: list[RowDifference]) -> Queries:
    places = {"hot_path": farm.service.lake.hot, "cold_path": farm.service.lake.cold}
    given = [SettingValue(name=name, value=str(path), source="command line") for name, path in places.items()]
    with farm.client.snapshot() as snapshot:
        schema = snapshot.tables_in if hasattr(snapshot, "tables_in") else "public"
    seen = DatabaseSeen(server="", address=None, database="", role="", tables_in=schema, standby=False, version="")
    result = RunResult.from_records([run_started(settings=tuple(given)), stack_described(strict=False), seen])
    return queries_of(result, finding, rows)


def in_duckdb(query: str) -> list[Line]:
    with duckdb.connect() as connection:
        answer = connection.execute(query)
        names = [column[0] for column in answer.description or ()]
        return [dict(zip(names, row, strict=True)) for row in answer.fetchall()]


def in_postgres(farm: Farm, query: str) -> list[Line]:
    answer = farm.connection.execute(query.encode())
    return [dict(zip([column.name for column in answer.description or ()], row, strict=True)) for row in answer]


def marked(lines: list[Line], row: RowDifference) -> list[Line]:
    """Return the lines that are said to differ, of one row."""
    ts = row.ts.replace(tzinfo=None)
    return [line for line in lines if (line["differs"], line["sensor_id"], line["ts"]) == (">", row.sensor_id, ts)]


def first_of(triage: RowTriage, diagnosis: str) -> tuple[Finding, list[RowDifference]]:
    (finding,) = (finding for finding in triage.findings() if finding.diagnosis == diagnosis)
    return finding, [row for row in triage.shown if row.diagnosis == diagnosis]


@PLANTED
@pytest.mark.parametrize("sensor", [SENSOR, ODD], ids=["plain", "odd"])
def test_pasted_they_show_the_first_rows_of_a_diagnosis_on_both_sides(
    diagnosis: str, plant: Plant, sensor: str, farm: Farm
) -> None:
    plant(farm, sensor)
    finding, rows = first_of(triaged(farm), diagnosis)
    made = queries(farm, finding, rows)
    assert "\u202e" not in made.psql + made.duckdb, "what is not seen is not pasted either"
    ours, theirs = in_postgres(farm, made.psql), in_duckdb(made.duckdb)
    first = rows[0]
    assert len(marked(ours, first)) == (first.postgres is not None)
    if first.postgres is not None:
        assert repr(marked(ours, first)[0]["value"]) == first.postgres.value
    beside = [line for line in ours if not line["differs"]]
    assert 0 < len(beside) <= (2 * NEIGHBOURS + 1) * 3
    if diagnosis == "unreadable file":
        (torn,) = (line for line in theirs if f"date={PICKED_DAY}" in line["file"])
        assert (torn["begins"], torn["ends"] == b"PAR1") == (b"PAR1", False)
        return
    elsewhere = diagnosis in {"wrong date", "hidden by the manifest"}
    kinds = {row.kind: row for row in reversed(rows)}
    for row in kinds.values():
        found = marked(theirs, row)
        copies = 2 if diagnosis == "duplicate rows" else int(row.lake is not None or elsewhere)
        assert len(found) == copies
        assert row.lake is None or row.lake.value in {repr(line["value"]) for line in found}
    assert [line for line in theirs if not line["differs"]]


@pytest.mark.parametrize("diagnosis", FILES)
def test_where_no_row_is_known_both_sides_are_counted_by_sensor_and_day(diagnosis: str, farm: Farm) -> None:
    finding = Finding(diagnosis=diagnosis, flagged=True, summary="1 file", sensors=(ODD,), days=(PICKED_DAY,))
    made = queries(farm, finding, [])
    (ours,) = in_postgres(farm, made.psql)
    wanted = [row[1] for row in rows_of(ODD) if row[1].date() == PICKED_DAY]
    expected = (ODD, PICKED_DAY, len(wanted))
    assert (ours["sensor_id"], ours["day"], ours["rows"]) == expected
    theirs = in_duckdb(made.duckdb)
    if diagnosis == "wrong schema":
        assert {line["name"] for line in theirs} >= {"sensor_id", "ts", "value", "quality", "inserted_at"}
        return
    (line,) = theirs
    assert (line["sensor_id"], line["day"], line["rows"]) == expected
    assert (line["first"], line["last"]) == (ours["first"], ours["last"])
    assert line["file"].startswith(f"date={PICKED_DAY}/")


def test_psql_reads_it_as_it_is_pasted(farm: Farm, conninfo: str) -> None:
    psql = shutil.which("psql")
    if psql is None:
        pytest.skip("no psql on this machine")
    one("value", 99.5)(farm, ODD)
    query = queries(farm, *first_of(triaged(farm), "changed in place")).psql
    environment = {"PATH": os.environ["PATH"], "PGCLIENTENCODING": "UTF8"}
    shown = subprocess.run(
        [psql, "-X", "-v", "ON_ERROR_STOP=1", "--csv", conninfo],
        input=f"{query}\n",
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.count("\n>,") == 1, shown.stdout + shown.stderr
