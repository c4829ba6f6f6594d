import os
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from docker.models.containers import Container

from fixtures.arena.container_levers import process_here


def container_with(id_: str) -> Container:
    return cast("Container", SimpleNamespace(id=id_))


def test_a_process_that_is_of_no_such_container_is_never_signaled() -> None:
    assert process_here(container_with("f00d" * 16), os.getpid()) is None


def test_a_container_that_does_not_run_has_no_process() -> None:
    assert process_here(container_with("f00d" * 16), None) is None


@pytest.mark.skipif(not Path("/proc/self/cgroup").exists(), reason="not run: this system has no cgroups")
def test_a_process_of_the_container_is_found_by_its_cgroup() -> None:
    cgroup = Path(f"/proc/{os.getpid()}/cgroup").read_text().strip().rpartition("/")[2]
    assert process_here(container_with(cgroup), os.getpid()) == os.getpid()
