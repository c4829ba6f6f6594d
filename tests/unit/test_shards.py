"""Which number of shards puts sensors where they stand."""

from dataclasses import replace
from datetime import date
from pathlib import Path

from hypothesis import assume, given
from hypothesis import strategies as st

from tsse_validation.diagnosis.file_triage import malformed_files
from tsse_validation.lake.file_checks import FileProblem
from tsse_validation.lake.reader import LakeFile
from tsse_validation.lake.shards import MOST_SHARDS, shard_of, shards_that_fit

SENSORS = [f"sensor-{number}" for number in range(60)]
FILE = LakeFile(Path("/lake/part-1-0.parquet"), date(2026, 1, 24), "07", "hot", 10)


def problems_of(shards: int) -> list[FileProblem]:
    """Return the files of a lake of so many shards that do not fit 16."""
    by_shard: dict[str, set[str]] = {}
    for sensor in SENSORS:
        if (found := shard_of(sensor, shards)) != shard_of(sensor, 16):
            by_shard.setdefault(found, set()).add(sensor)
    return [
        FileProblem(replace(FILE, shard=shard), "of sensors of other shards", 1, frozenset(sensors))
        for shard, sensors in sorted(by_shard.items())
    ]


@given(st.integers(3, MOST_SHARDS), st.sets(st.text(max_size=8), min_size=30, max_size=60))
def test_the_number_that_put_them_there_is_found(shards: int, sensors: set[str]) -> None:
    found = {(sensor, shard_of(sensor, shards)) for sensor in sensors}
    assume(len({shard for _, shard in found}) > 2)
    assert shards_that_fit(found) == shards


@given(st.sets(st.text(max_size=8), min_size=30, max_size=60))
def test_a_sensor_that_stands_elsewhere_fits_no_number(sensors: set[str]) -> None:
    found = {(sensor, shard_of(sensor, 16)) for sensor in sensors}
    assert shards_that_fit(found | {(min(sensors), "never")}) is None


def test_few_sensors_in_few_shards_tell_nothing() -> None:
    assert shards_that_fit({(sensor, "00") for sensor in SENSORS}) is None
    assert shards_that_fit({(sensor, shard_of(sensor, 32)) for sensor in SENSORS[:5]}) is None


def test_files_of_a_lake_of_another_number_of_shards_are_told_with_it() -> None:
    told, renamed = malformed_files("shard", problems_of(32)), malformed_files("shard", problems_of(32)[:1])
    assert told is not None
    assert told.evidence.endswith("; all of them stand where 32 shards put them: is --shards right?")
    assert renamed is not None
    assert "--shards" not in renamed.evidence
