"""The proof by two seals, of a lake that lives on meanwhile: its findings are those of a direct proof.

Seals with a baseline are made of a lake that the controller itself compacts.
"""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from fixtures.controller.housekeeping import compact
from tests.integration.engine import naive
from tests.integration.engine.farm import Farm, Row, is_row, lose, rewritten
from tests.support.sealing import filed, lake_seal
from tsse_validation.diagnosis.row_triage import RowTriage
from tsse_validation.domain.coverage import Scope
from tsse_validation.domain.instants import utc_now
from tsse_validation.lake.reader import shard_day_of
from tsse_validation.parity.direct import DirectProof
from tsse_validation.runlog.records import CountRow, Finding, RowDifference
from tsse_validation.seals.lake_sealing import Reuse, seal_lake
from tsse_validation.seals.postgres_sealing import seal_postgres
from tsse_validation.seals.seal import FILES, SHARD_DAYS, Seal
from tsse_validation.seals.seal_comparing import ComparedSeals
from tsse_validation.seals.sealed_parts import parts_held
from tsse_validation.seals.sealed_proof import SealedProof
from tsse_validation.seals.sent_files import RowsAnswer, RowsRequest, answer_rows
from tsse_validation.seals.stamping import stamp_of

SENSORS = ("a" * 24, "b" * 24)
PASS = timedelta(minutes=10)
EVERY = timedelta(minutes=1)
PER_SENSOR = 90
UNCOMPACTED = 3
"""Files of a shard-day that stay as they are here: with the contract's number a farm takes longer to make."""
THRESHOLD = "fixtures.controller.housekeeping.COMPACTION_THRESHOLD_FILES"


@pytest.fixture
def crowded(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> Farm:
    """Lend a farm of whose shard-days of today each has as many files as stay uncompacted."""
    monkeypatch.setattr(THRESHOLD, UNCOMPACTED)
    noon = farm.clock.now
    farm.ingest(_readings(noon - timedelta(days=1)))
    farm.backfill(5)
    for number in range(UNCOMPACTED):
        farm.clock.now += PASS
        at = noon + number * EVERY
        farm.ingest([(sensor, at, float(number), 0, farm.clock.now - PASS / 2) for sensor in SENSORS])
        farm.clock.now += PASS
        farm.replicate()
    assert {len(farm.reader.listing().files)} == {len(SENSORS) * (1 + UNCOMPACTED)}
    return farm


def _readings(start: datetime) -> list[Row]:
    return [
        (sensor, start + number * EVERY, float(number), 0, start + number * EVERY)
        for sensor in SENSORS
        for number in range(PER_SENSOR)
    ]


def _replicated_again(farm: Farm, *rows: Row) -> None:
    """Let the controller see rows, and compact the shard-days that they are of."""
    farm.upsert(rows)
    farm.clock.now += 2 * PASS
    farm.replicate()


def _names(farm: Farm) -> set[str]:
    return {path.name for path in farm.files()}


def _upserted(farm: Farm, key: naive.Key, value: float = 99.0) -> Row:
    return (key[0], naive.instant(key[1]), value, 0, farm.clock.now)


def _a_key(farm: Farm, sensor: str = SENSORS[0], number: int = 1) -> naive.Key:
    """Name a row that came by replication, into the date that has many files."""
    return sensor, naive.micros(farm.coverage().backfill_to + number * EVERY)


# ---- a proof by two seals --------------------------------------------------------------------------------------


def _of_postgres(farm: Farm) -> Seal:
    parts = parts_held(farm.client, Scope.covered_by(farm.coverage()))
    return filed(seal_postgres(farm.client, parts, now=utc_now))


def _proof(farm: Farm, of_postgres: Seal, directory: Path) -> tuple[SealedProof, list[RowsRequest]]:
    """Seal the lake as it is now, and return the proof with what it asks for."""
    asked = list[RowsRequest]()
    of_lake = lake_seal(farm.reader, of_postgres)

    def ask(request: RowsRequest) -> RowsAnswer:
        asked.append(request)
        answer = RowsAnswer.of(answer_rows(farm.reader, request, stamp_of(utc_now())), request, "lake-rows.zip")
        read = of_lake.facts.lake
        assert read is not None
        answer.hold_of(read, of_lake.tables[FILES])
        return answer

    return SealedProof(farm.client, ComparedSeals.of(of_postgres, of_lake), ask=ask, directory=directory), asked


def _compared(proof: DirectProof, scope: Scope) -> list[CountRow]:
    return [row for _, rows in proof.compare_in_slices(scope) for row in rows]


def _differing(proof: DirectProof, scope: Scope) -> set[tuple[str, date | None]]:
    return {(row.sensor_id, row.day) for row in _compared(proof, scope) if not row.matches}


def _findings(farm: Farm, proof: DirectProof, scope: Scope) -> tuple[list[Finding], list[RowDifference]]:
    triage = RowTriage(farm.shards, most_shown=1_000)
    for comparison in proof.compare_rows(scope, [row for row in _compared(proof, scope) if not row.matches]):
        triage.add(comparison)
    return triage.findings(), list(triage.shown)


def test_an_upsert_and_a_compaction_between_the_two_seals_are_no_fault(crowded: Farm, tmp_path: Path) -> None:
    of_postgres, key = _of_postgres(crowded), _a_key(crowded)
    _replicated_again(crowded, _upserted(crowded, key))
    assert len(crowded.files_of(key)) == 1
    assert next(iter(crowded.files_of(key))).name.startswith("compact-")
    proof, asked = _proof(crowded, of_postgres, tmp_path / "rows")
    scope = of_postgres.facts.parts[0]
    rows = _compared(proof, scope)
    assert rows
    assert all(row.matches for row in rows)
    # the seals alone could not know
    assert [request.sensor_days for request in asked] == [((key[0], naive.day_of(key[1])),)]


def _changed(farm: Farm, key: naive.Key) -> None:
    for path in farm.files_of(key):
        with rewritten(path) as rows:
            for row in rows:
                row["value"] += is_row(row, key)


@pytest.mark.parametrize("fault", [lose, _changed])
@pytest.mark.parametrize("sensor", SENSORS)
def test_a_fault_beside_an_upsert_and_a_compaction_between_the_two_seals_is_told(
    fault: Callable[[Farm, naive.Key], None], sensor: str, crowded: Farm, tmp_path: Path
) -> None:
    of_postgres = _of_postgres(crowded)
    _replicated_again(crowded, _upserted(crowded, _a_key(crowded)))
    key = _a_key(crowded, sensor, number=2)
    fault(crowded, key)
    proof, _ = _proof(crowded, of_postgres, tmp_path / "rows")
    scope = of_postgres.facts.parts[0]
    assert _differing(proof, scope) == {(sensor, naive.day_of(key[1]))}
    _, shown = _findings(crowded, proof, scope)
    assert {(row.sensor_id, naive.micros(row.ts)) for row in shown} == {key}


def test_an_upsert_that_the_lake_has_lost_since_is_told_once_it_is_due(crowded: Farm, tmp_path: Path) -> None:
    of_postgres, key = _of_postgres(crowded), _a_key(crowded)
    _replicated_again(crowded, _upserted(crowded, key))
    lose(crowded, key)
    proof, _ = _proof(crowded, of_postgres, tmp_path / "rows")
    assert _differing(proof, of_postgres.facts.parts[0]) == set()  # not due then
    later = _of_postgres(crowded)
    proof, _ = _proof(crowded, later, tmp_path / "later")
    assert _differing(proof, later.facts.parts[0]) == {(key[0], naive.day_of(key[1]))}


def _twice(farm: Farm, key: naive.Key) -> None:
    path = farm.files_of(key)[0]
    with rewritten(path) as rows:
        rows += [row for row in rows if is_row(row, key)]


def _alone(farm: Farm) -> naive.Key:
    return SENSORS[0], naive.micros(farm.coverage().backfill_to - timedelta(days=1) + 7 * EVERY)


@pytest.mark.parametrize("fault", [_twice, lose, _changed])
@pytest.mark.parametrize("row", [_alone, _a_key], ids=["a file alone", "a file among others"])
def test_a_proof_by_seals_finds_the_same_as_a_direct_one(
    fault: Callable[[Farm, naive.Key], None], row: Callable[[Farm], naive.Key], crowded: Farm, tmp_path: Path
) -> None:
    key = row(crowded)
    fault(crowded, key)
    of_postgres = _of_postgres(crowded)
    scope = of_postgres.facts.parts[0]
    proof, _ = _proof(crowded, of_postgres, tmp_path / "rows")
    direct = crowded.proof()
    assert _compared(proof, scope) == _compared(direct, scope)
    assert _differing(proof, scope) == {(key[0], naive.day_of(key[1]))}
    found = _findings(crowded, proof, scope)
    assert found == _findings(crowded, direct, scope)
    assert found[0]


# ---- proving again over a compaction ---------------------------------------------------------------------------


def _again(farm: Farm, as_of: Seal, before: Seal | None) -> Seal:
    reuse = None if before is None else Reuse(before, 0.0, 1)
    return filed(seal_lake(farm.reader, as_of.facts.parts, now=utc_now, as_of=as_of, reuse=reuse))


def _taken(seal: Seal) -> set[tuple[date, str]]:
    return {(row["day"], row["shard"]) for row in seal.tables[SHARD_DAYS].to_pylist() if row["seal"]}


@pytest.mark.parametrize("with_news", [True, False], ids=["with an upsert", "of the same rows"])
def test_what_was_compacted_since_the_baseline_is_read(
    crowded: Farm, monkeypatch: pytest.MonkeyPatch, *, with_news: bool
) -> None:
    before = _again(crowded, _of_postgres(crowded), None)
    names = _names(crowded)
    if with_news:
        _replicated_again(crowded, _upserted(crowded, _a_key(crowded)))
    else:
        monkeypatch.setattr(THRESHOLD, 1)
        compact(crowded.service.lake, crowded.service.states, crowded.clock.now)
    assert {name for name in _names(crowded) - names if name.startswith("compact-")}
    of_postgres = _of_postgres(crowded)
    anew, after = _again(crowded, of_postgres, None), _again(crowded, of_postgres, before)
    assert after.lines.equals(anew.lines)
    assert after.tables[FILES].equals(anew.tables[FILES])
    compacted = {shard_day_of(row["path"]) for row in after.tables[FILES].to_pylist() if "compact-" in row["path"]}
    assert compacted
    assert not _taken(after) & compacted
    assert ComparedSeals.of(of_postgres, after).said.alike


def test_a_fault_that_came_by_a_compaction_is_seen_by_a_baseline(crowded: Farm) -> None:
    before = _again(crowded, _of_postgres(crowded), None)
    _replicated_again(crowded, _upserted(crowded, _a_key(crowded)))
    key = _a_key(crowded, number=2)
    lose(crowded, key)
    of_postgres = _of_postgres(crowded)
    said = ComparedSeals.of(of_postgres, _again(crowded, of_postgres, before)).said
    assert {(row.sensor_id, row.day) for row in said.differing} == {(key[0], naive.day_of(key[1]))}
