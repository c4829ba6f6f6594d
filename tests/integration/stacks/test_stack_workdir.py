import os
import time
from pathlib import Path

import pytest

from fixtures.identity import ProcessIdentity
from fixtures.stacks.workdir import Workdir, sweep_abandoned

DEAD = ProcessIdentity(os.getpid(), "another start")


def abandon(workdir: Workdir) -> None:
    (workdir.path / "owner.json").write_text(DEAD.to_json())


def test_a_stack_has_every_directory_of_its_own(own_tmp: Path) -> None:
    workdir = Workdir.create()
    assert workdir.path.parent == own_tmp
    assert workdir.path.name.startswith("tsse-stack-")
    assert all(path.is_dir() for path in (workdir.hot, workdir.cold, workdir.scratch, workdir.data_root))
    assert workdir.hot.is_relative_to(workdir.data_root)
    assert workdir.scratch.is_relative_to(workdir.data_root)
    assert not workdir.cold.is_relative_to(workdir.data_root)


def test_only_the_owner_reads_the_token_file(own_tmp: Path) -> None:
    workdir = Workdir.create()
    workdir.write_token("abc")
    assert workdir.token_file.read_text() == "abc\n"
    assert workdir.token_file.stat().st_mode & 0o777 == 0o600
    assert workdir.token_file.is_relative_to(own_tmp)


def test_the_stack_of_a_dead_run_is_swept(own_tmp: Path) -> None:
    workdir = Workdir.create()
    abandon(workdir)
    assert sweep_abandoned() == [workdir.path]
    assert list(own_tmp.iterdir()) == []


def test_the_stack_of_a_live_run_is_left_alone(own_tmp: Path) -> None:
    workdir = Workdir.create()
    assert sweep_abandoned() == []
    assert list(own_tmp.iterdir()) == [workdir.path]


def test_a_kept_stack_is_never_swept(own_tmp: Path) -> None:
    workdir = Workdir.create()
    workdir.mark_kept()
    abandon(workdir)
    assert sweep_abandoned() == []
    assert list(own_tmp.iterdir()) == [workdir.path]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a directory to another user")
def test_the_stack_of_another_user_is_left_alone(own_tmp: Path) -> None:
    workdir = Workdir.create()
    abandon(workdir)
    os.chown(workdir.path, 65534, 65534)
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


def test_a_note_of_a_process_that_was_cut_short_does_not_stop_the_sweep(own_tmp: Path) -> None:
    workdir = Workdir.create()
    workdir.pid_file("postgres").write_text("{")
    abandon(workdir)
    assert sweep_abandoned() == [workdir.path]
    assert list(own_tmp.iterdir()) == []
