"""The image of the suite itself, as its users build it: it validates, as a user who is not root."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from docker import DockerClient

from fixtures.images.local import SUITE_BASE
from tests.support.command import EXIT_GO, PATIENCE_SECONDS, QUICK, REPOSITORY, Run
from tests.system.containers.docker_side import DockerSide
from tsse_validation import __version__
from tsse_validation.domain.outcome import Outcome

pytestmark = pytest.mark.slow

TAG = "tsse-test/suite"
UID = 2345
"""Nobody's number on this machine."""
SMALL = ("--farm-rows=1500", "--farm-sensors=6", *QUICK)


@pytest.fixture(scope="module")
def image(engine: DockerClient) -> Iterator[str]:
    """Build the image from the checkout, by the Dockerfile and what .dockerignore leaves of it."""
    arguments = {"BASE": SUITE_BASE, "UID": str(UID)}
    engine.images.build(path=str(REPOSITORY), tag=TAG, buildargs=arguments, rm=True, forcerm=True)
    yield TAG
    engine.images.remove(TAG)


@pytest.fixture
def reports() -> Iterator[Path]:
    """Lend a directory of the user's, to be mounted."""
    with tempfile.TemporaryDirectory(prefix="tsse-reports-") as name:
        os.chown(name, UID, UID)
        yield Path(name)


@contextmanager
def ended(
    engine: DockerClient, image: str, *command: str, reports: Path, entrypoint: str | None = None
) -> Iterator[tuple[int, str]]:
    """Run a container to its end; lend its exit code and what it said."""
    volumes = {str(reports): {"bind": "/reports", "mode": "rw"}}
    container = engine.containers.run(
        image, list(command) or None, entrypoint=entrypoint, volumes=volumes, init=True, detach=True
    )
    try:
        code = int(container.wait(timeout=PATIENCE_SECONDS)["StatusCode"])
        yield code, container.logs().decode()
    finally:
        container.remove(force=True, v=True)


def test_it_is_go_and_leaves_its_report_with_whom_it_belongs_to(
    image: str, reports: Path, engine: DockerClient, docker_side: DockerSide
) -> None:
    with ended(engine, image, "run", *SMALL, reports=reports) as (code, output):
        run = Run(code, output, reports)
        assert (run.code, run.verdict.outcome) == (EXIT_GO, Outcome.GO), run
    assert run.verdict.assurance == "proof"
    assert run.stack.owned
    assert (run.directory / "report.html").is_file()
    assert {path.stat().st_uid for path in (run.directory, *run.files)} == {UID}
    assert f"/reports/{run.directory.name}/report.html" in "".join(output.split())
    assert docker_side.left_behind() == []


def test_it_holds_the_suite_and_no_more_of_the_checkout(
    image: str, reports: Path, engine: DockerClient, docker_side: DockerSide
) -> None:
    with ended(engine, image, "--version", reports=reports) as (code, output):
        assert (code, output) == (0, f"tsse-validate {__version__}\n")
    assert engine.images.get(image).attrs["Config"]["Cmd"] == ["run"]
    with ended(engine, image, "-A", "/opt/tsse-validation", reports=reports, entrypoint="ls") as (code, output):
        assert {"tests_validation", "tsse_validation", "fixtures", "conftest.py"} <= set(output.split())
        assert not {".git", "reports", "tests", "docs", "tools"} & set(output.split())
    assert docker_side.left_behind() == []
