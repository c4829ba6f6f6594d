"""The lake is sealed as it stands, and a baseline gives nothing but what is the same again."""

import os
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.integration.clients.conftest import Told
from tests.support.builders import Row
from tests.support.sealed_lake import (
    BEGIN,
    MADE,
    SENSORS,
    SHARDS,
    TARGET,
    WATERMARK,
    SealedLake,
    changed_in_place,
    postgres_seal,
)
from tsse_validation.domain.errors import NotCheckedError, PromiseBrokenError, SettingsError
from tsse_validation.domain.instants import DAY
from tsse_validation.domain.stack import LakePaths
from tsse_validation.lake.reader import LakeReader
from tsse_validation.seals.lake_sealing import seal_lake
from tsse_validation.seals.seal import FILES, PENDING, SHARD_DAYS, LakeRead, Seal
from tsse_validation.seals.seal_file import seal_bytes

HOUR = timedelta(hours=1)
LATER = MADE + DAY


@pytest.fixture
def lake(tmp_path: Path) -> SealedLake:
    return SealedLake.of(tmp_path)


def read_of(seal: Seal) -> LakeRead:
    assert seal.facts.lake is not None
    return seal.facts.lake


def taken(seal: Seal) -> int:
    found = read_of(seal).taken_over
    assert found is not None
    return found.shard_days


def shard_days(seal: Seal) -> int:
    return int(seal.tables[SHARD_DAYS].num_rows)


def same_lines(one: Seal, other: Seal) -> bool:
    return bool(one.lines.equals(other.lines))


def late(hours: int = 1, value: float = 9.0) -> Row:
    return (SENSORS[0], BEGIN + hours * HOUR, value, 0, WATERMARK + HOUR)


def test_the_same_lake_gives_the_same_bytes(lake: SealedLake) -> None:
    assert seal_bytes(lake.seal()) == seal_bytes(lake.seal())
    other = lake.seal(made=LATER)
    assert (other.facts, other.lines) == (lake.seal().facts, lake.seal().lines)


def test_a_seal_says_which_files_it_was_read_from_and_what_they_hold(lake: SealedLake) -> None:
    seal = lake.seal()
    assert sum(seal.lines["rows"].to_pylist()) == len(SENSORS) * (24 + 24 + 12)
    assert set(seal.lines["part"].to_pylist()) == {0}
    files = {row["path"]: row for row in seal.tables[FILES].to_pylist()}
    assert set(files) == {path.relative_to(lake.hot).as_posix() for path in lake.files}
    for path in lake.files:
        row = files[path.relative_to(lake.hot).as_posix()]
        assert (row["size"], row["mtime_ns"]) == (path.stat().st_size, path.stat().st_mtime_ns)
        assert (row["place"], len(row["footer"]), row["rows"] % 12) == ("hot", 64, 0)
    read = read_of(seal)
    assert read.replication == (lake.hot / "_state/replication.json").read_text(encoding="utf-8")
    assert (read.examined.files, read.examined.rows, read.as_of) == (len(lake.files), len(SENSORS) * 60, "")
    assert not any(read.examined.problems.values())


def test_one_other_byte_of_a_row_is_another_line(lake: SealedLake) -> None:
    before = lake.seal()
    changed_in_place(lake.files[0])
    after = lake.seal()
    assert before.tables[FILES].equals(after.tables[FILES])
    assert not same_lines(before, after)


def test_keys_that_are_not_due_are_left_out_and_those_the_lake_has_are_pending(lake: SealedLake) -> None:
    keys = [(0, SENSORS[0], BEGIN), (0, SENSORS[1], BEGIN + timedelta(minutes=1))]
    postgres = postgres_seal(lake.parts(), keys)
    seal = lake.seal(postgres)
    assert read_of(seal).as_of == postgres.stamp.sha256
    assert sum(seal.lines["rows"].to_pylist()) == len(SENSORS) * 60 - 1
    pending = seal.tables[PENDING].to_pylist()
    assert [(row["part"], row["sensor_id"]) for row in pending] == [(0, SENSORS[0])]


def test_rows_beyond_the_covered_range_are_lines_of_their_part(lake: SealedLake) -> None:
    forecast = WATERMARK + 5 * DAY
    lake.write(
        "part-2-0.parquet", [(SENSORS[0], forecast, 1.0, 0, TARGET + HOUR), (SENSORS[1], forecast, 1.0, 0, TARGET)]
    )
    lake.write("part-3-0.parquet", [(SENSORS[0], BEGIN - 9 * DAY, 1.0, 0, TARGET + HOUR)])
    seal = lake.seal()
    beyond = [line for line in seal.lines.to_pylist() if line["part"]]
    assert [(line["sensor_id"], line["rows"]) for line in beyond] == [(SENSORS[0], 1), (SENSORS[0], 1)]
    outside = {(BEGIN - 9 * DAY).date(): 1, forecast.date(): 2}
    assert read_of(seal).outside == outside


def test_what_is_wrong_with_files_and_names_is_in_the_seal(lake: SealedLake) -> None:
    torn, first = lake.files[-1], lake.files[0]
    torn.write_bytes(b"torn")
    first.with_name("part-9.parquet.tmp").write_bytes(b"")
    first.with_name("notes.txt").write_bytes(b"")
    first.with_name(".DS_Store").write_bytes(b"")
    lake.write("part-1-0.parquet", [(SENSORS[0], BEGIN + HOUR, 1.0, 0, BEGIN)], day=(BEGIN + DAY).date())
    read = read_of(lake.seal())
    assert list(read.unreadable) == [torn.relative_to(lake.hot).as_posix()]
    assert [len(names) for names in (read.temporary, read.foreign, read.litter)] == [1, 1, 1]
    assert [fault.rows for fault in read.examined.problems["date"]] == [1]
    assert [fault.path for fault in read.examined.problems["readable"]] == list(read.unreadable)


def test_a_seal_of_postgres_that_the_lake_is_too_old_for_is_refused(lake: SealedLake, told: Told) -> None:
    postgres = postgres_seal(lake.parts())
    lake.replicated(WATERMARK - HOUR)
    with told(NotCheckedError, "The lake's watermark", "is older than the seal of Postgres needs"):
        lake.seal(postgres)


def test_a_seal_of_postgres_for_another_backfill_is_refused(lake: SealedLake, told: Told) -> None:
    postgres = postgres_seal(lake.parts())
    lake.replicated(WATERMARK, backfill_to_ts=(TARGET + HOUR).isoformat())
    with told(NotCheckedError, "another lake, or a backfill has run since"):
        lake.seal(postgres)


def test_a_seal_of_the_wrong_side_is_refused(lake: SealedLake, told: Told) -> None:
    of_lake = lake.seal()
    with told(NotCheckedError, "--as-of is a seal of the lake"):
        lake.seal(of_lake)
    with told(NotCheckedError, "--baseline is a seal of Postgres"):
        lake.seal(baseline=postgres_seal(lake.parts()))


def test_another_number_of_shards_is_refused(lake: SealedLake, told: Told) -> None:
    reader = LakeReader(LakePaths(lake.hot, None, 16))
    with told(SettingsError, "The lake was written with 4 shards, and not with 16"):
        seal_lake(reader, lake.parts(), now=lambda: MADE)


def test_fewer_shards_than_the_lake_has_are_refused_though_it_has_too_few_sensors_to_tell(
    lake: SealedLake, told: Told
) -> None:
    for path in lake.files:
        if path.parent.name != f"shard={SHARDS - 1:02d}":
            path.unlink()
    reader = LakeReader(LakePaths(lake.hot, None, SHARDS - 1))
    with told(SettingsError, f"shard={SHARDS - 1:02d}/", f"--shards {SHARDS - 1} has none beyond") as caught:
        seal_lake(reader, lake.parts(), now=lambda: MADE)
    assert f"{SHARDS} or more" in caught.value.advice


def test_a_date_in_a_cold_place_that_was_not_given_is_no_missing_date(lake: SealedLake, told: Told) -> None:
    manifest = f'{{"datasets": {{"metrics/v1": {{"partitions": {{"{BEGIN.date()}": {{"location": "cold"}}}}}}}}}}'
    (lake.hot / "_state/manifest.json").write_text(manifest, encoding="utf-8")
    with told(NotCheckedError, "1 date of the lake lie in its cold place"):
        lake.seal()


# ---- proving again ---------------------------------------------------------------------------------------------


def test_an_unchanged_lake_is_taken_over_but_for_the_share_that_is_read_again(lake: SealedLake) -> None:
    before = lake.seal()
    after = lake.seal(baseline=before, made=LATER)
    found = read_of(after).taken_over
    assert found is not None
    assert (found.baseline, found.shard_days, found.reread) == (before.stamp.sha256, shard_days(before) - 1, 1)
    assert set(found.days.values()) == {MADE}
    assert same_lines(before, after)
    assert before.tables[FILES].equals(after.tables[FILES])
    assert read_of(after).examined == read_of(before).examined


def test_a_chain_of_baselines_keeps_the_instant_at_which_each_day_was_read(lake: SealedLake) -> None:
    first = lake.seal()
    second = lake.seal(baseline=first, made=LATER, seed=1)
    third = lake.seal(baseline=second, made=LATER + DAY, seed=2)
    rests = {(row["seal"], row["read_at"]) for row in third.tables[SHARD_DAYS].to_pylist() if row["seal"]}
    assert {seal for seal, _ in rests} == {first.stamp.sha256, second.stamp.sha256}
    assert {at.date() for _, at in rests} == {MADE.date(), LATER.date()}


def added(lake: SealedLake) -> None:
    lake.write("part-2-0.parquet", [(SENSORS[0], BEGIN + HOUR / 2, 9.0, 0, TARGET)])


def removed(lake: SealedLake) -> None:
    lake.files[0].unlink()


def touched(lake: SealedLake) -> None:
    os.utime(lake.files[0], ns=(0, 0))


def rewritten(lake: SealedLake) -> None:
    rows = [(SENSORS[0], BEGIN, 7.0, 0, BEGIN)]
    lake.write("backfill-1-0.parquet", rows)


def replaced(lake: SealedLake) -> None:
    """Put another file in a file's place, of the same size and time: its footer tells it."""
    path = lake.files[0]
    before = path.stat()
    rows = pq.read_table(path, partitioning=None)
    other = rows.set_column(2, "value", pa.compute.add(rows["value"], 1.0))
    pq.write_table(other, path.with_suffix(".new"), compression="none", use_dictionary=False)
    path.with_suffix(".new").replace(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)


@pytest.mark.parametrize(
    "change", [added, removed, touched, rewritten, replaced], ids=lambda change: change.__name__
)
def test_a_shard_day_whose_files_have_changed_is_read(change: object, lake: SealedLake) -> None:
    before = lake.seal()
    change(lake)  # type: ignore[operator]
    after, anew = lake.seal(baseline=before, made=LATER), lake.seal()
    assert same_lines(after, anew)
    assert after.tables[FILES].equals(anew.tables[FILES])
    assert taken(after) == shard_days(before) - 2
    assert same_lines(before, after) is (change is touched)


def test_a_file_changed_in_place_is_found_where_it_is_read_again(lake: SealedLake, told: Told) -> None:
    before = lake.seal()
    changed_in_place(lake.files[0])
    name = lake.files[0].relative_to(lake.hot).as_posix()
    with told(PromiseBrokenError, f"{name}: changed in place since the baseline"):
        lake.seal(baseline=before, share=1.0)
    found = []
    for seed in range(40):
        try:
            lake.seal(baseline=before, seed=seed)
        except PromiseBrokenError:
            found.append(seed)
            break
    assert found


def test_all_is_read_again_where_that_is_asked_for(lake: SealedLake) -> None:
    before = lake.seal()
    after = lake.seal(baseline=before, share=1.0)
    assert taken(after) == 0
    found = read_of(after).taken_over
    assert found is not None
    assert (found.days, found.reread) == ({}, shard_days(before))


def test_a_later_watermark_takes_over_only_what_lies_wholly_before_it(lake: SealedLake) -> None:
    lake.write("part-2-0.parquet", [late()])
    before = lake.seal()
    lake.replicated(WATERMARK + 2 * HOUR)
    after = lake.seal(baseline=before)
    anew = lake.seal()
    assert same_lines(after, anew)
    assert not same_lines(after, before)
    assert taken(after) == shard_days(before) - 2


def test_a_shard_day_with_a_key_that_is_or_was_not_due_is_read(lake: SealedLake) -> None:
    parts = lake.parts()
    some: Sequence[tuple[int, str, object]] = [(0, SENSORS[0], BEGIN)]
    with_keys, without = postgres_seal(parts, some), postgres_seal(parts)  # type: ignore[arg-type]
    whole, less = lake.seal(without), lake.seal(with_keys)
    for before, as_of, anew in ((whole, with_keys, less), (less, without, whole)):
        after = lake.seal(as_of, before)
        assert same_lines(after, anew)
        assert taken(after) == shard_days(before) - 2
        assert after.tables[PENDING].equals(anew.tables[PENDING])


def test_nothing_is_taken_over_of_a_file_that_something_was_wrong_with(lake: SealedLake) -> None:
    lake.files[0].write_bytes(b"torn")
    before = lake.seal()
    after = lake.seal(baseline=before)
    assert read_of(after).unreadable == read_of(before).unreadable
    assert taken(after) == len(lake.files) - 2


def test_a_baseline_of_another_lake_is_refused(lake: SealedLake, tmp_path: Path, told: Told) -> None:
    other = SealedLake.of(tmp_path / "other")
    with told(NotCheckedError, "--baseline is of another lake", "hot path"):
        lake.seal(baseline=other.seal())


def test_a_baseline_gives_nothing_of_rows_that_were_left_out_of_it(lake: SealedLake) -> None:
    # the older version of a key, read as of a watermark before the newer one came
    lake.write("part-2-0.parquet", [late(value=3.0)])
    before = lake.seal()
    assert pa.compute.sum(before.lines["rows"]).as_py() == len(SENSORS) * 60
    lake.replicated(WATERMARK + 2 * HOUR)
    assert same_lines(lake.seal(baseline=before), lake.seal())
