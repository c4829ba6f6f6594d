"""`tsse-validate seal lake`: a file at once or not at all, or the bytes of stdout; refusals with their cause."""

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.sealed_lake import BEGIN, SENSORS, SHARDS, SealedLake, changed_in_place, postgres_seal
from tsse_validation.cli import main, seal_lake_command
from tsse_validation.seals.seal import Seal
from tsse_validation.seals.seal_file import read_seal, seal_bytes, seal_of

SCRIPT = str(Path(sys.executable).with_name("tsse-validate"))
NOBODY = 65534
_DROP = 24
"""PR_CAPBSET_DROP of prctl: what root may do beyond a file's mode is CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH."""
Ended = subprocess.CompletedProcess[bytes]


@pytest.fixture
def lake(tmp_path: Path) -> SealedLake:
    return SealedLake.of(tmp_path)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def arguments(lake: SealedLake, *more: str) -> list[str]:
    return ["seal", "lake", f"--hot-path={lake.hot}", f"--shards={SHARDS}", "--hot-retention-days=3650", *more]


def environment(home: Path) -> dict[str, str]:
    ours = {"HOME": str(home), "XDG_CACHE_HOME": str(home / "cache"), "PYTHONPATH": os.pathsep.join(sys.path)}
    return {"PATH": os.environ["PATH"], **ours}


def give_up_rights() -> None:
    """Leave root no more rights than a file's mode gives."""
    if os.geteuid() == 0:
        for capability in (1, 2):
            ctypes.CDLL(None).prctl(_DROP, capability, 0, 0, 0)


def seal_lake(lake: SealedLake, home: Path, *more: str, given: bytes = b"") -> Ended:
    return subprocess.run(
        [SCRIPT, *arguments(lake, *more)],
        input=given,
        capture_output=True,
        cwd=home,
        env=environment(home),
        timeout=120,
        check=False,
        preexec_fn=give_up_rights,
    )


def test_a_seal_goes_through_stdin_and_stdout_and_all_words_to_stderr(lake: SealedLake, home: Path) -> None:
    postgres = postgres_seal(lake.parts(), [(0, SENSORS[0], BEGIN)])
    ended = seal_lake(lake, home, "--as-of=-", "--output=-", given=seal_bytes(postgres))
    assert ended.returncode == 0, ended.stderr
    seal = seal_of(ended.stdout, "stdout")
    assert read_as_of(seal) == postgres.stamp.sha256
    assert b"sealed" in ended.stderr
    assert list(home.iterdir()) == []


def read_as_of(seal: Seal) -> str:
    assert seal.facts.lake is not None
    return seal.facts.lake.as_of


def test_a_seal_names_both_places_by_their_whole_paths(lake: SealedLake, home: Path) -> None:
    cold = home / "cold"
    cold.mkdir()
    ended = seal_lake(
        lake, home, f"--hot-path={os.path.relpath(lake.hot, home)}", "--cold-path=cold", "--output=-"
    )
    assert ended.returncode == 0, ended.stderr
    read = seal_of(ended.stdout, "stdout").facts.lake
    assert read is not None
    assert (Path(read.hot).name, Path(read.hot).is_absolute(), read.cold) == ("hot", True, str(cold))
    assert f"of {read.hot} and {cold}, ".encode() in ended.stderr


def test_an_earlier_seal_is_taken_over_and_a_file_changed_in_place_refuses_it(
    lake: SealedLake, home: Path
) -> None:
    first, second = home / "first.seal", home / "second.seal"
    assert seal_lake(lake, home, f"--output={first}").returncode == 0
    ended = seal_lake(lake, home, f"--output={second}", f"--baseline={first}")
    assert ended.returncode == 0, ended.stderr
    assert b"taken over from" in ended.stderr
    assert read_seal(first).lines.equals(read_seal(second).lines)
    second.unlink()
    changed_in_place(lake.files[0])
    ended = seal_lake(lake, home, f"--output={second}", f"--baseline={first}", "--verify-all")
    assert ended.returncode == 1
    assert lake.files[0].name.encode() in ended.stderr
    assert b"changed in place since the baseline" in ended.stderr
    assert not second.exists()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--output={hot}/lake.seal"], b"lies in the lake"),
        (["--output={home}/a.seal", "--verify-all"], b"--verify-all needs --baseline"),
        (["--output={home}/a.seal", "--as-of={hot}/_state/manifest.json"], b"is no whole seal"),
        (["--output={home}/a.seal", "--as-of={home}/none.seal"], b"none.seal cannot be read: No such file"),
        (["--output={home}/a.zip", "--rows-of={home}/none"], b"none cannot be read: No such file"),
        (
            ["--output={home}/a.seal", "--baseline=-"],
            b"- cannot be read: No such file or directory. Nothing is read",
        ),
        (["--output={home}/a.zip", "--rows-of={home}/none", "--as-of=-"], b"--rows-of writes no seal"),
    ],
    ids=[
        *("in the lake", "nothing to verify", "no seal", "no file"),
        *("no request", "baseline of stdin", "a seal and rows"),
    ],
)
def test_what_cannot_be_done_is_refused_and_leaves_no_file(
    options: list[str], says: bytes, lake: SealedLake, home: Path
) -> None:
    before = sorted(lake.hot.rglob("*"))
    ended = seal_lake(lake, home, *(word.format(hot=lake.hot, home=home) for word in options))
    assert ended.returncode in {4, 6}
    assert says in ended.stderr
    assert len(ended.stderr.splitlines()) <= 2
    assert sorted(lake.hot.rglob("*")) == before
    assert list(home.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="rights are given up as Linux has them")
def test_a_file_that_this_user_may_not_read_is_named(lake: SealedLake, home: Path) -> None:
    closed = lake.files[0]
    if os.geteuid() == 0:
        os.chown(closed, NOBODY, NOBODY)
    closed.chmod(0)
    ended = seal_lake(lake, home, f"--output={home}/lake.seal")
    assert ended.returncode == 6, ended.stderr
    assert str(closed).encode() in ended.stderr
    assert list(home.iterdir()) == []


def test_an_interrupt_leaves_no_file(
    lake: SealedLake, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.chdir(home)
    monkeypatch.setattr(seal_lake_command, "say_day", interrupted)
    monkeypatch.setattr(sys, "argv", ["tsse-validate", *arguments(lake, f"--output={home}/lake.seal")])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 130
    assert "interrupted" in capsys.readouterr().err
    assert list(home.iterdir()) == []
