"""What becomes of `--differences FILE` when the comparison is broken off."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.support.differing import LINE, table
from tsse_validation.cli.differences_option import difference_file
from tsse_validation.domain.errors import SuiteError


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SuiteError("Postgres has gone away.")])
def test_what_was_found_until_then_is_written_and_said_to_be_a_part(
    error: BaseException, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "rows.parquet"

    def be_broken_off() -> None:
        with difference_file(path) as files:
            assert files is not None
            files.begin()
            files.append(table([LINE]), [files.diagnosis("rows missing")])
            raise error

    with pytest.raises(type(error)):
        be_broken_off()
    assert pq.read_table(path)["sensor_id"].to_pylist() == ["a"]
    assert list(tmp_path.iterdir()) == [path]
    told = " ".join(capsys.readouterr().err.split())
    assert f"Not all, 1 differing row: {path}. The comparison of rows did not come to its end" in told
