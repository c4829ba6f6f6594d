"""A soak proves what has newly become due, whatever goes on meanwhile, and tells of each lost row once."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from fixtures.controller import housekeeping
from tests.integration.engine import naive
from tests.integration.engine.conftest import NOON
from tests.integration.engine.farm import Farm, Row, is_row, lose, rewritten
from tests.integration.engine.soaking import Soak
from tsse_validation.clients.bounded import BoundedReader
from tsse_validation.clients.snapshot import ActiveJob
from tsse_validation.domain.contract import BACKFILL_JOB
from tsse_validation.domain.coverage import Coverage
from tsse_validation.domain.errors import BusyError, NotCheckedError, UnreachableError
from tsse_validation.domain.instants import DAY, MICROSECOND

SENSORS = ("0137f2f857d4dd34c390573c", "forecast_wind", "9" * 24)
FEED, SENSOR = SENSORS[1], SENSORS[0]
HOUR, MINUTE, SECOND = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)
TODAY, YESTERDAY = NOON.date(), (NOON - DAY).date()


def old_rows(days: int = 4) -> list[Row]:
    return [
        (sensor, NOON - n * 2 * HOUR, float(n), 0, NOON - n * 2 * HOUR + SECOND)
        for sensor in SENSORS
        for n in range(1, days * 12)
    ]


@pytest.fixture
def farm(conninfo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Farm]:
    """Four days in a lake, which is compacted as soon as a shard-day has more than three files."""
    monkeypatch.setattr(housekeeping, "COMPACTION_THRESHOLD_FILES", 3)
    made = Farm(conninfo, tmp_path / "lake", NOON, cold=True)
    made.ingest(old_rows())
    made.backfill(4)
    made.clock.advance(minutes=2)
    yield made
    made.close()


@pytest.fixture
def soak(farm: Farm, tmp_path: Path) -> Iterator[Soak]:
    made = Soak(farm, tmp_path / "run")
    yield made
    made.close()


def fresh(farm: Farm, rows: int = 3, sensor: str = SENSOR) -> list[Row]:
    """Return readings of this moment, the last of them a microsecond ago."""
    now = farm.clock.now
    return [(sensor, now - n * MICROSECOND, float(n), 0, now) for n in range(1, rows + 1)]


def late(farm: Farm, sensor: str = SENSOR) -> Row:
    """Return a reading of yesterday that comes in now."""
    elapsed = (farm.clock.now - NOON) // SECOND
    return sensor, NOON - DAY + elapsed * SECOND + MICROSECOND, 5.0, 1, farm.clock.now


def forecast(farm: Farm) -> Row:
    return FEED, farm.clock.now + 30 * HOUR, 6.0, 0, farm.clock.now


def test_a_watermark_that_has_not_moved_leaves_nothing_to_compare(soak: Soak) -> None:
    assert soak.prover.newly_due(soak.watermark) is None
    assert soak.prover.since_start(soak.watermark) is None
    assert soak.slices == []


def test_each_slice_has_the_rows_since_the_last_and_counts_new_ones_once(soak: Soak, farm: Farm) -> None:
    counts = []
    for number in range(4):
        farm.ingest([*fresh(farm, 3 + number), late(farm), forecast(farm)])
        compared = soak.pass_by(minutes=2)
        counts.append((compared.new_rows, compared.rows, compared.differing))
    assert counts == [(5, 5, 0), (6, 11, 0), (7, 18, 0), (8, 26, 0)]
    assert soak.since_start().rows == 26
    assert soak.flagged == {}


def test_a_slice_reaches_back_as_far_as_the_overlap_and_not_before_the_soaks_start(soak: Soak) -> None:
    begun = soak.watermark
    first, second = soak.pass_by(minutes=10), soak.pass_by(minutes=20)
    assert (first.since, second.since) == (begun, begun)
    third = soak.pass_by(minutes=10)
    assert third.since == second.through - timedelta(minutes=15)


def test_a_slice_without_a_row_is_a_slice_of_none(soak: Soak) -> None:
    compared = soak.pass_by()
    assert (compared.rows, compared.new_rows, compared.sensors, compared.differing) == (0, 0, 0, 0)


def test_traffic_of_all_kinds_over_compactions_and_retention_raises_no_alarm(soak: Soak, farm: Farm) -> None:
    written = 0
    for number in range(24):
        now = farm.clock.now
        rows = [*fresh(farm), *fresh(farm, 2, FEED), late(farm), forecast(farm)]
        farm.ingest(rows)
        farm.upsert([(FEED, NOON - 4 * HOUR, float(number), number % 3, now)])
        farm.ingest([(SENSORS[2], now - 7 * SECOND, 1.0, None, None)])
        written += len(rows) + 2
        compared = soak.pass_by(minutes=1 + number % 3)
        assert compared.differing == 0, number
        old = soak.prover.old_day(soak.watermark)
        assert old is not None
        assert old.differing == 0
    assert any(path.name.startswith("compact-") for path in farm.files())
    farm.clock.advance(days=88)
    farm.replicate()
    farm.clock.advance(days=1)
    farm.ingest(fresh(farm))
    assert soak.pass_by(minutes=3).new_rows >= 3
    assert any("/cold/" in str(path) for path in farm.files())
    assert soak.since_start().differing == 0
    assert soak.whole_range().differing == 0
    assert sum(one.new_rows for one in soak.slices if one.kind == "due") == written + 3
    assert soak.flagged == {}
    assert soak.findings == []


def change(farm: Farm, key: naive.Key) -> None:
    for path in farm.files_of(key):
        with rewritten(path) as rows:
            for row in rows:
                row["value"] = 99.0 if is_row(row, key) else row["value"]


def invent(farm: Farm, key: naive.Key) -> None:
    (path,) = farm.files_of(key)
    with rewritten(path) as rows:
        (row,) = (row for row in rows if is_row(row, key))
        rows.append(row | {"ts": row["ts"] + SECOND})


def double(farm: Farm, key: naive.Key) -> None:
    (path,) = farm.files_of(key)
    with rewritten(path) as rows:
        rows += [dict(row) for row in rows if is_row(row, key)]


PLANTED: dict[str, tuple[Callable[[Farm, naive.Key], None], str, int]] = {
    "a row that a pass has dropped": (lose, "rows missing", 1),
    "a changed value": (change, "changed in place", 1),
    "an extra row": (invent, "deleted in Postgres", 1),
    "a row twice in its file": (double, "duplicate rows", 1),
}


@pytest.mark.parametrize("fault", PLANTED)
@pytest.mark.parametrize("of", [fresh, late, forecast], ids=["fresh", "late", "ahead"])
def test_what_a_pass_does_to_a_new_row_is_found_by_its_slice(
    fault: str, of: Callable[[Farm], Any], soak: Soak, farm: Farm
) -> None:
    plant, diagnosis, rows = PLANTED[fault]
    farm.ingest([*fresh(farm, 4, SENSORS[2]), *fresh(farm, 4), late(farm), forecast(farm)])
    soak.pass_by(minutes=2)
    made = of(farm)
    new = made if isinstance(made, list) else [made]
    farm.ingest(new)
    farm.clock.advance(minutes=2)
    farm.replicate()
    plant(farm, (new[0][0], naive.micros(new[0][1])))
    assert soak.slice().differing == rows
    assert soak.flagged == {diagnosis: rows}
    (finding,) = soak.findings
    assert ("committed after it" in finding.evidence) == (diagnosis == "rows missing")
    assert [row.ts for row in soak.shown] == [new[0][1] + (SECOND if plant is invent else timedelta(0))]


def test_a_difference_is_told_once_and_counted_once_by_each_kind_of_slice(soak: Soak, farm: Farm) -> None:
    farm.ingest(fresh(farm))
    farm.clock.advance(minutes=2)
    farm.replicate()
    lose(farm, (SENSOR, naive.micros(NOON + 2 * MINUTE - MICROSECOND)))
    counts = [soak.slice().differing, soak.pass_by().differing, soak.pass_by().differing]
    assert counts == [1, 0, 0]
    assert soak.since_start().differing == soak.whole_range().differing == 1
    assert (len(soak.findings), len(soak.shown)) == (1, 1)
    kept = soak.run.differences.write()
    assert (kept.rows, kept.complete) == (1, True)


@pytest.mark.parametrize("of", [fresh, late, forecast], ids=["fresh", "late", "ahead"])
def test_a_row_committed_after_its_pass_is_found_and_told_as_such(
    of: Callable[[Farm], Any], soak: Soak, farm: Farm
) -> None:
    """Other rows of its sensor are there; the row came into its shard-day after the slice that it belongs to."""
    made = of(farm)
    held_open = made if isinstance(made, list) else [made]
    farm.clock.advance(seconds=5)
    farm.ingest([*fresh(farm, 4), *fresh(farm, 2, FEED)])
    assert soak.pass_by(minutes=2).differing == 0
    farm.ingest(held_open)
    assert soak.pass_by(minutes=2).differing == len(held_open)
    assert soak.flagged == {"committed late": len(held_open)}
    assert list(soak.prover.diagnoses) == ["committed late"]
    assert soak.slices[-1].new_rows == 0


def test_a_row_committed_long_after_its_pass_is_found_at_the_end(soak: Soak, farm: Farm) -> None:
    held_open = late(farm)
    farm.clock.advance(seconds=5)
    for _ in range(4):
        farm.ingest(fresh(farm))
        soak.pass_by(minutes=10)
    farm.ingest([held_open])
    assert soak.pass_by(minutes=10).differing == 0
    assert soak.since_start().differing == 1
    assert soak.flagged == {"committed late": 1}


def test_a_row_committed_late_but_before_its_pass_is_a_row_like_any_other(soak: Soak, farm: Farm) -> None:
    held_open = fresh(farm)
    farm.clock.advance(seconds=40)
    farm.ingest(held_open)
    assert soak.pass_by(minutes=2).new_rows == 3
    assert soak.flagged == {}


def test_a_file_that_is_gone_between_two_slices_is_no_late_commit(soak: Soak, farm: Farm) -> None:
    farm.ingest(fresh(farm))
    soak.pass_by(minutes=2)
    (path,) = farm.files_of((SENSOR, naive.micros(NOON + 2 * MINUTE - MICROSECOND)))
    path.unlink()
    assert soak.pass_by(minutes=2).differing == 3
    assert set(soak.flagged) <= {"rows missing", "day tail lost", "shard missing"}
    assert sum(soak.flagged.values()) == 3


def test_an_old_days_lost_file_is_found_once_the_day_is_drawn(soak: Soak, farm: Farm) -> None:
    (path,) = farm.files_of((SENSOR, naive.micros(NOON - DAY)))
    path.unlink()
    whole_days = 3
    drawn = [soak.prover.old_day(soak.watermark) for _ in range(whole_days)]
    differing = {one.day: one.differing for one in drawn if one is not None}
    assert differing.pop(YESTERDAY) == 12
    assert set(differing.values()) == {0}
    assert soak.flagged == {"shard missing": 12}


def test_each_whole_old_day_is_drawn_once_before_one_comes_again(soak: Soak) -> None:
    drawn = [soak.prover.old_day(soak.watermark) for _ in range(6)]
    days = [one.day for one in drawn if one is not None]
    assert len(set(days[:3])) == len(set(days[3:])) == 3
    assert TODAY not in days


def test_a_range_without_a_whole_day_has_no_old_day(conninfo: str, tmp_path: Path) -> None:
    farm = Farm(conninfo, tmp_path / "lake", NOON)
    try:
        farm.ingest(old_rows(1))
        farm.backfill(1)
        soak = Soak(farm, tmp_path / "run")
        assert soak.prover.old_day(soak.watermark) is None
        soak.close()
    finally:
        farm.close()


def test_the_whole_range_finds_what_no_slice_has_looked_at(soak: Soak, farm: Farm) -> None:
    change(farm, (SENSOR, naive.micros(NOON - 2 * HOUR)))
    assert soak.pass_by().differing == 0
    assert soak.whole_range().differing == 1
    assert soak.flagged == {"changed in place": 1}


def test_a_backfill_in_the_middle_is_followed(soak: Soak, farm: Farm) -> None:
    farm.ingest([*fresh(farm), late(farm), forecast(farm)])
    soak.pass_by(minutes=2)
    farm.ingest([*fresh(farm), late(farm)])
    farm.clock.advance(minutes=3)
    farm.backfill(2)
    compared = soak.slice()
    assert (compared.differing, compared.new_rows) == (0, 4)
    farm.ingest([*fresh(farm), late(farm), forecast(farm)])
    compared = soak.pass_by(minutes=2)
    assert (compared.differing, compared.new_rows) == (0, 5)
    assert soak.since_start().differing == soak.whole_range().differing == 0
    assert soak.flagged == {}


def test_what_a_backfill_in_the_middle_has_lost_is_found(soak: Soak, farm: Farm) -> None:
    farm.ingest(fresh(farm))
    farm.clock.advance(minutes=3)
    farm.backfill(2)
    lose(farm, (SENSOR, naive.micros(NOON + 2 * MINUTE - MICROSECOND)))
    assert soak.slice().differing == 1
    assert soak.flagged == {"rows missing": 1}


def a_backfill(status: str = "running") -> ActiveJob:
    return ActiveJob("1b4e28ba", BACKFILL_JOB, status, NOON)


def test_while_a_backfill_replaces_dates_what_differs_is_no_evidence_and_the_mark_stays(
    farm: Farm, tmp_path: Path
) -> None:
    active = [a_backfill()]
    soak = Soak(farm, tmp_path / "run", active=lambda: active)
    farm.ingest(fresh(farm))
    farm.clock.advance(minutes=2)
    farm.replicate()
    hidden = [(path, path.with_suffix(".hidden")) for path in farm.files(TODAY)]
    for path, name in hidden:
        path.rename(name)
    with pytest.raises(BusyError, match="The backfill 1b4e28ba replaces"):
        soak.slice()
    for path, name in hidden:
        name.rename(path)
    active.clear()
    assert soak.pass_by().new_rows == 3
    assert (soak.flagged, soak.run.differences.write().complete) == ({}, True)
    soak.close()


def test_a_backfill_that_runs_on_does_not_hold_up_what_agrees(farm: Farm, tmp_path: Path) -> None:
    soak = Soak(farm, tmp_path / "run", active=lambda: [a_backfill()])
    farm.ingest(fresh(farm))
    assert soak.pass_by(minutes=2).new_rows == 3
    soak.close()


def test_a_slice_that_could_not_be_compared_is_covered_by_the_next(
    soak: Soak, farm: Farm, monkeypatch: pytest.MonkeyPatch
) -> None:
    farm.ingest(fresh(farm))

    def lost(*_args: object) -> None:
        msg = "Postgres is gone."
        raise UnreachableError(msg)

    with monkeypatch.context() as patch:
        patch.setattr(BoundedReader, "pieces", lost)
        with pytest.raises(UnreachableError):
            soak.pass_by(minutes=2)
    farm.ingest(fresh(farm))
    assert soak.pass_by(minutes=2).new_rows == 6
    assert len(soak.slices) == 1


def test_a_row_upserted_again_before_the_slice_is_not_due_and_due_in_the_next(soak: Soak, farm: Farm) -> None:
    (row,) = fresh(farm, 1, FEED)
    farm.ingest([row])
    farm.clock.advance(minutes=2)
    farm.replicate()
    farm.upsert([(*row[:2], 8.0, 1, farm.clock.now)])
    compared = soak.slice()
    assert (compared.new_rows, compared.not_due, compared.differing) == (0, 1, 0)
    assert soak.pass_by(minutes=2).new_rows == 1
    assert soak.flagged == {}


def test_dates_that_move_to_a_cold_place_that_was_not_given_are_not_checked(conninfo: str, tmp_path: Path) -> None:
    farm = Farm(conninfo, tmp_path / "lake", NOON, cold=True)
    try:
        farm.ingest(old_rows())
        farm.backfill(4)
        shown = type(farm.reader.paths)(farm.service.lake.hot, None, farm.shards)
        farm.reader = type(farm.reader)(shown)
        soak = Soak(farm, tmp_path / "run")
        farm.clock.advance(days=89)
        farm.replicate()
        assert any("/cold/" in str(path) for path in farm.files())
        with pytest.raises(NotCheckedError, match="cold place, which was not given"):
            soak.whole_range()
        assert soak.flagged == {}
        soak.close()
    finally:
        farm.close()


def test_what_retention_deletes_in_the_middle_is_no_loss(conninfo: str, tmp_path: Path) -> None:
    farm = Farm(conninfo, tmp_path / "lake", NOON, retention_days=3)

    def present() -> Coverage:
        return farm.coverage().after_retention(3, farm.clock.now)

    try:
        farm.ingest(old_rows())
        farm.backfill(3)
        soak = Soak(farm, tmp_path / "run", present=present)
        farm.ingest([*fresh(farm), (SENSOR, NOON - 2 * DAY - HOUR, 1.0, 0, farm.clock.now)])
        soak.pass_by(minutes=2)
        farm.clock.advance(hours=23)
        assert soak.pass_by(minutes=1).differing == 0
        assert soak.since_start().differing == soak.whole_range().differing == 0
        assert soak.flagged == {}
        soak.close()
    finally:
        farm.close()


def test_old_chunks_that_postgres_drops_in_the_middle_are_the_lakes_alone(soak: Soak, farm: Farm) -> None:
    farm.ingest([(SENSOR, NOON - 3 * DAY - HOUR, 1.0, 0, farm.clock.now)])
    soak.pass_by(minutes=2)
    farm.connection.execute("DELETE FROM metrics WHERE ts < '2026-03-08'")
    assert soak.pass_by(minutes=2).differing == 0
    assert soak.whole_range().differing == 0
    assert soak.flagged == {}
    assert {finding.diagnosis for finding in soak.findings} == {"retention in Postgres"}


def test_a_torn_file_is_a_difference_whatever_it_holds(soak: Soak, farm: Farm) -> None:
    farm.ingest(fresh(farm))
    farm.clock.advance(minutes=2)
    farm.replicate()
    (path,) = farm.files_of((SENSOR, naive.micros(NOON + 2 * MINUTE - MICROSECOND)))
    path.write_bytes(path.read_bytes()[:100])
    assert soak.slice().differing == 3
    assert "unreadable file" in soak.flagged
