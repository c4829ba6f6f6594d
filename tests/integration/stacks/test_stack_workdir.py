import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from fixtures.identity import ProcessIdentity
from fixtures.stacks.workdir import Workdir, sweep_abandoned

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a directory to another user")
DEAD = ProcessIdentity(os.getpid(), "another start")


def abandoned(*, kept: bool = False, owner: int = -1) -> Workdir:
    workdir = Workdir.create()
    if kept:
        workdir.mark_kept()
    (workdir.path / "owner.json").write_text(DEAD.to_json())
    os.chown(workdir.path, owner, owner)
    return workdir


def test_a_stack_has_every_directory_of_its_own(own_tmp: Path) -> None:
    workdir = Workdir.create()
    assert workdir.path.parent == own_tmp
    assert workdir.path.name.startswith("tsse-stack-")
    assert all(path.is_dir() for path in (workdir.hot, workdir.cold, workdir.scratch, workdir.data_root))
    places = (workdir.hot, workdir.scratch, workdir.cold)
    assert all(path.is_relative_to(workdir.data_root) for path in places)


def test_only_the_owner_reads_the_token_file(own_tmp: Path) -> None:
    workdir = Workdir.create()
    workdir.write_token("abc")
    assert workdir.token_file.read_text() == "abc\n"
    assert workdir.token_file.stat().st_mode & 0o777 == 0o600
    assert workdir.token_file.is_relative_to(own_tmp)


@pytest.mark.parametrize("note", [None, "{"], ids=["", "with a note that was cut short"])
def test_the_stack_of_a_dead_run_is_swept(note: str | None, own_tmp: Path) -> None:
    workdir = abandoned()
    if note is not None:
        workdir.pid_file("postgres").write_text(note)
    assert sweep_abandoned() == [workdir.path]
    assert list(own_tmp.iterdir()) == []


@pytest.mark.parametrize(
    "left",
    [
        pytest.param(Workdir.create, id="of a live run"),
        pytest.param(partial(abandoned, kept=True), id="kept"),
        pytest.param(partial(abandoned, owner=65534), id="of another user", marks=needs_root),
    ],
)
def test_any_other_stack_is_never_swept(left: Callable[[], Workdir], own_tmp: Path) -> None:
    workdir = left()
    assert sweep_abandoned() == []
    assert list(own_tmp.iterdir()) == [workdir.path]


def test_a_link_is_not_followed(own_tmp: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "precious"
    elsewhere.mkdir()
    (elsewhere / "owner.json").write_text(DEAD.to_json())
    (own_tmp / "tsse-stack-link").symlink_to(elsewhere)
    assert sweep_abandoned() == []
    assert (elsewhere / "owner.json").exists()


def test_a_directory_without_owner_is_left_for_an_hour(own_tmp: Path) -> None:
    path = own_tmp / "tsse-stack-young"
    path.mkdir()
    assert sweep_abandoned() == []
    long_ago = time.time() - 7_200
    os.utime(path, (long_ago, long_ago))
    assert sweep_abandoned() == [path]
