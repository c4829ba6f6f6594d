import os
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from fixtures.arena.preloads import settable_clock, slow_renames
from tsse_validation.domain.errors import NotCheckedError
from tsse_validation.domain.instants import utc_now

_TELL_THE_TIME = """
import sys, time
from datetime import UTC, datetime
for _ in sys.stdin:
    print(datetime.now(UTC).isoformat(), time.monotonic(), flush=True)
"""
_RENAME = """
import os, sys, time
began = time.monotonic()
os.replace(sys.argv[1], sys.argv[2])
print(time.monotonic() - began)
"""


def test_the_time_of_day_of_a_process_is_set_while_it_runs_and_its_waits_are_not(tmp_path: Path) -> None:
    try:
        clock = settable_clock(tmp_path)
    except NotCheckedError as error:
        pytest.skip(f"not run: {error.message}")
    with subprocess.Popen(
        [sys.executable, "-c", _TELL_THE_TIME],
        env=os.environ | dict(clock.environment),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        monotonic = []
        for seconds in (0, 3600, -3600, 0):
            clock.set_off(seconds)
            print(file=process.stdin, flush=True)
            told, ticks = process.stdout.readline().split()
            off = datetime.fromisoformat(told) - utc_now()
            assert abs(off - timedelta(seconds=seconds)) < timedelta(seconds=30)
            monotonic.append(float(ticks))
        process.stdin.close()
    assert monotonic == sorted(monotonic)
    assert monotonic[-1] - monotonic[0] < 60


def test_a_rename_takes_as_much_longer_as_it_was_told(tmp_path: Path) -> None:
    try:
        environment = slow_renames(tmp_path, 0.3)
    except NotCheckedError as error:
        pytest.skip(f"not run: {error.message}")
    (tmp_path / "old").write_text("content")
    command = [sys.executable, "-c", _RENAME, str(tmp_path / "old"), str(tmp_path / "new")]
    took = subprocess.run(command, env=os.environ | dict(environment), capture_output=True, text=True, check=True)
    assert float(took.stdout) >= 0.3
    assert (tmp_path / "new").read_text() == "content"
    assert not (tmp_path / "old").exists()


def test_what_is_missing_on_the_machine_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotCheckedError, match="no C compiler"):
        slow_renames(tmp_path, 0.1)
    monkeypatch.setattr("fixtures.arena.preloads._PLACES", ())
    with pytest.raises(NotCheckedError, match="libfaketime is not installed"):
        settable_clock(tmp_path)
