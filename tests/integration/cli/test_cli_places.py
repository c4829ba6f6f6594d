"""Places that cannot be read or written end a command with a sentence and a code of its own: neither 0 nor 1."""

import ctypes
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.report_builders import go
from tsse_validation.report.writer import write_reports

SCRIPT = str(Path(sys.executable).with_name("tsse-validate"))
_DROP = 24
"""PR_CAPBSET_DROP of prctl: what root may do beyond a file's mode is CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH."""
_NOBODY = 65534
CONTROLLER = ("--base-url=http://127.0.0.1:9", "--auth-token=x")


@pytest.fixture
def closed(shared_dir: Path) -> Iterator[Path]:
    """Lend a directory with a file and a run in it, which this user may not enter."""
    place = shared_dir / "closed"
    write_reports(place / "run", go())
    (place / "file").write_text("{}")
    if os.geteuid() == 0:
        os.chown(place, _NOBODY, _NOBODY)
    place.chmod(0o700 if os.geteuid() == 0 else 0)
    yield place
    place.chmod(0o700)


def ended(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run it as one who has no more rights than a file's mode gives."""

    def give_up_rights() -> None:
        if os.geteuid() == 0:
            for capability in (1, 2):
                ctypes.CDLL(None).prctl(_DROP, capability, 0, 0, 0)

    return subprocess.run(
        [SCRIPT, *arguments],
        cwd=cwd,
        env={name: value for name, value in os.environ.items() if not name.startswith(("TSSE_", "CORE_"))},
        preexec_fn=give_up_rights,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.skipif(sys.platform != "linux", reason="rights are given up as Linux has them")
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ("report {closed}/run/result.json", 4),
        ("report {open}/result.json --compare {closed}/run/result.json", 4),
        ("report {open}/result.json --output {closed}/page.html", 4),
        ("index {closed}", 4),
        ("inspect --mode direct --hot-path {closed}", 6),
        ("inspect --auth-token-file {closed}/file", 4),
        ("parity --report {closed}/report.md", 4),
        ("parity --mode direct --differences {closed}/rows.parquet --hot-path {open} --database-url host=x", 4),
        ("doctor --report-dir {closed}/reports", 4),
        ("run --report-dir {closed}/reports", 4),
        ("run --report-dir {closed}", 4),
        ("run --resume {closed}/run/run.jsonl", 4),
        ("run --core-binary {closed}/file", 4),
        ("run --html {closed}/page.html", 4),
        ("run --junitxml {closed}/junit.xml", 4),
        ("run --ca-file {closed}/file {controller}", 4),
        ("run --view-token-file {closed}/file {controller}", 4),
    ],
)
def test_a_place_that_this_user_may_not_enter_is_told(
    arguments: str, code: int, closed: Path, tmp_path: Path
) -> None:
    write_reports(tmp_path / "open", go())
    places = {"closed": closed, "open": tmp_path / "open", "controller": " ".join(CONTROLLER)}
    done = ended(*arguments.format(**places).split(), cwd=tmp_path)
    assert done.returncode == code, done
    assert "Traceback" not in done.stdout + done.stderr
    assert str(closed) in " ".join((done.stdout + done.stderr).split())


@pytest.mark.parametrize("arguments", [("health",), ("doctor",), ("--help",), ("run", "--help")])
def test_an_output_that_takes_nothing_is_not_taken_for_an_answer(arguments: tuple[str, ...]) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([SCRIPT, *arguments], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 6
    assert done.stderr.endswith("tsse-validate: No space left on device. It was not done, or not to its end.\n")


def test_a_reader_who_has_gone_is_no_broken_promise() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as output:
        done = subprocess.run([SCRIPT, "doctor"], stdout=output, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (6, "")


def test_a_working_directory_that_is_gone_is_a_sentence(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    command = 'cd "$1" && rmdir "$1" && exec "$0" health'
    done = subprocess.run(["sh", "-c", command, SCRIPT, str(gone)], capture_output=True, text=True, check=False)
    assert done.returncode == 6
    assert "No such file or directory" in done.stderr
    assert "Traceback" not in done.stderr
