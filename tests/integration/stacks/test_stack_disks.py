import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fixtures.arena.disks import LimitedWriter, put_on_a_disk, take_off_the_disk
from fixtures.stacks.mounts import mount_memory, mounted_below
from fixtures.stacks.workdir import Workdir, sweep_abandoned
from tests.integration.stacks.test_stack_workdir import DEAD
from tsse_validation.domain.errors import NotCheckedError, StackError

MIB = 2**20
_WRITE_WHEN_TOLD = """
import sys
sys.stdin.readline()
try:
    with open(sys.argv[1], "wb") as segment:
        segment.write(bytes(4096))
except OSError as error:
    print(error.strerror)
"""


def mounts(point: Path) -> None:
    try:
        mount_memory(point, MIB)
    except StackError as error:
        pytest.skip(f"not run: {error.message}")


@pytest.fixture
def workdir(own_tmp: Path) -> Iterator[Workdir]:
    probe = own_tmp / "probe"
    probe.mkdir()
    mounts(probe)
    subprocess.run(["umount", str(probe)], check=True)
    probe.rmdir()
    workdir = Workdir.create()
    (workdir.hot / "file").write_text("kept")
    yield workdir
    workdir.remove()
    assert mounted_below(own_tmp) == []


def test_a_lake_that_is_put_on_a_disk_comes_back_with_what_it_has_then(workdir: Workdir) -> None:
    disk = put_on_a_disk(workdir)
    assert (workdir.hot / "file").read_text() == "kept"
    assert mounted_below(workdir.path) == [disk.point]
    (workdir.cold / "fresh").write_text("too")
    take_off_the_disk(workdir)
    assert mounted_below(workdir.path) == []
    assert (workdir.hot / "file").read_text() == "kept"
    assert (workdir.cold / "fresh").read_text() == "too"
    assert workdir.hot.stat().st_mode & 0o777 == 0o750


def test_on_a_full_disk_not_a_byte_is_written_until_space_is_given_back(workdir: Workdir) -> None:
    disk = put_on_a_disk(workdir)
    disk.fill()
    with pytest.raises(OSError, match="No space left"):
        (workdir.hot / "segment").write_bytes(b"x")
    disk.free()
    (workdir.hot / "segment").write_bytes(b"x")


def test_a_disk_that_may_not_be_written_is_even_so_for_root(workdir: Workdir) -> None:
    disk = put_on_a_disk(workdir)
    disk.forbid_writing()
    with pytest.raises(OSError, match="Read-only"):
        (workdir.hot / "segment").write_bytes(b"x")
    disk.allow_writing()
    (workdir.hot / "segment").write_bytes(b"x")


@pytest.mark.parametrize("strike", ["fill", "forbid_writing"])
def test_a_lake_comes_off_a_disk_that_is_full_or_read_only_still(strike: str, workdir: Workdir) -> None:
    disk = put_on_a_disk(workdir)
    getattr(disk, strike)()
    take_off_the_disk(workdir)
    assert [path.name for path in workdir.hot.parent.parent.iterdir()] == ["lake", "tmp"]
    assert (workdir.hot / "file").read_text() == "kept"


def test_a_later_run_unmounts_the_disk_of_a_run_that_was_killed(workdir: Workdir, own_tmp: Path) -> None:
    mounts(workdir.hot)
    (workdir.path / "owner.json").write_text(DEAD.to_json())
    with (workdir.hot / "still open").open("wb"):
        assert sweep_abandoned() == [workdir.path]
    assert list(own_tmp.iterdir()) == []


def test_a_writer_can_be_held_to_small_files_where_no_disk_can_be_mounted(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _WRITE_WHEN_TOLD, str(tmp_path / "segment")]

    def told_after(strike: Callable[[LimitedWriter], None]) -> str:
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
            strike(LimitedWriter(tmp_path, lambda: writer.pid))
            return writer.communicate("now\n")[0]

    def fill_and_free(disk: LimitedWriter) -> None:
        disk.fill()
        disk.free()

    assert told_after(LimitedWriter.fill) == "File too large\n"
    assert told_after(fill_and_free) == ""


def test_modes_make_a_lake_read_only_for_all_but_root(tmp_path: Path) -> None:
    (tmp_path / "date").mkdir(mode=0o750)
    disk = LimitedWriter(tmp_path, lambda: None)
    if os.geteuid() == 0:
        with pytest.raises(NotCheckedError, match="modes do not hold root back"):
            disk.forbid_writing()
        return
    disk.forbid_writing()
    with pytest.raises(PermissionError):
        (tmp_path / "date" / "segment").write_bytes(b"x")
    disk.allow_writing()
    assert (tmp_path / "date").stat().st_mode & 0o777 == 0o750
