"""From sensor-days that differ to the rows that do: which are read, and what is told of files nobody can read."""

from pathlib import Path

import pytest

from tests.unit.test_proof import COVERAGE, COVERED, HELD, FakePostgres, proof, write_lake
from tsse_validation.diagnosis.drill_down import DrillDown, drill_down
from tsse_validation.diagnosis.row_triage import RowTriage
from tsse_validation.domain.coverage import Scope
from tsse_validation.settings.fields import Level

pytestmark = pytest.mark.usefixtures("_one_duckdb")


def drilled(directory: Path, level: Level, *, torn: bool, extra: bool = False) -> DrillDown:
    """Drill down where one file is torn: one with all rows of a day's sensor, or another beside it."""
    ours = proof(FakePostgres(HELD), write_lake(directory, HELD))
    if torn:
        whole = min(directory.rglob("part-1-0.parquet"))
        place = whole.with_name("part-2-0.parquet") if extra else whole
        place.write_bytes(whole.read_bytes()[:-50])
    days = ours.compare_sensor_days(Scope(COVERED, COVERAGE), level=level)
    return drill_down(ours, Scope(COVERED, COVERAGE), days, level, RowTriage(16, 10))


@pytest.mark.parametrize("level", Level)
def test_a_whole_lake_has_nothing_to_tell(level: Level, tmp_path: Path) -> None:
    found = drilled(tmp_path, level, torn=False)
    assert (found.findings, found.shown, found.differing, found.unreadable) == ([], [], 0, {})


@pytest.mark.parametrize("level", Level)
def test_an_unreadable_file_is_told_once_whether_or_not_rows_are_missed(level: Level, tmp_path: Path) -> None:
    for number, extra in enumerate((False, True)):
        found = drilled(tmp_path / str(number), level, torn=True, extra=extra)
        assert [finding.diagnosis for finding in found.findings] == ["unreadable file"]
        assert len(found.unreadable) == 1
        assert bool(found.differing) is (level is not Level.COUNT and not extra)
