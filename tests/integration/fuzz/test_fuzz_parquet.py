"""Whatever a lake file holds, footer and pages: it is read, or named as what is wrong with it."""

import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.integration.fuzz.mutating import INPUTS, SEED
from tests.integration.fuzz.parquet_child import examined, sample

CHILD = "tests.integration.fuzz.parquet_child"
REPOSITORY = Path(__file__).parents[3]


def test_whatever_a_lake_file_holds_is_read_or_named(tmp_path: Path) -> None:
    command = [sys.executable, "-m", CHILD, str(tmp_path / "lake"), str(INPUTS), str(SEED)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    read, refused = map(int, done.stdout.split())
    assert read
    assert refused


@pytest.mark.parametrize("rows", [0, 40])
def test_the_sample_itself_is_right(rows: int, tmp_path: Path) -> None:
    path = tmp_path / "part-1-0.parquet"
    pq.write_table(sample().slice(0, rows), path)
    findings = examined(path)
    assert not any(findings.problems.values())
    assert findings.rows == rows
