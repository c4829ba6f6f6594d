"""Whatever a lake file holds, footer and pages: it is read, or named as what is wrong with it."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.fuzz.mutating import INPUTS, SEED

CHILD = "tests.integration.fuzz.parquet_child"
REPOSITORY = Path(__file__).parents[3]


def test_whatever_a_lake_file_holds_is_read_or_named(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", CHILD, str(tmp_path / "lake"), str(INPUTS), str(SEED)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    read, refused = map(int, done.stdout.split())
    assert read
    assert refused


@pytest.mark.parametrize("rows", [0, 40])
def test_the_sample_itself_is_right(rows: int, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    from tests.integration.fuzz.parquet_child import DAY, SENSOR, sample
    from tsse_validation.lake.file_checks import FileFindings, examine
    from tsse_validation.lake.reader import LakeFile
    from tsse_validation.lake.shards import shard_of

    path = tmp_path / "part-1-0.parquet"
    pq.write_table(sample().slice(0, rows), path)
    findings = FileFindings()
    examine(LakeFile(path, DAY, shard_of(SENSOR, 16), "hot", path.stat().st_size), 16, findings)
    assert not any(findings.problems.values())
    assert findings.rows == rows
