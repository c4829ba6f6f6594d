"""The tests of the containers stack run on local images; without Docker or these they say that they did not."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from docker import DockerClient

from fixtures.stacks.engine import docker_engine
from tests.system.containers.docker_side import NEEDED, DockerSide, everything, is_here
from tsse_validation.domain.errors import StackError


@pytest.fixture(scope="session")
def engine() -> Iterator[DockerClient]:
    """Lend a client of the Docker engine, with the local images there."""
    with ExitStack() as ends:
        try:
            client = ends.enter_context(docker_engine())
        except StackError as error:
            pytest.skip(f"not run: {error.message}")
        missing = [name for name in NEEDED if not is_here(client, name)]
        if missing:
            pytest.skip(f"not run: no {', '.join(missing)} here; make them: python -m fixtures.images.local")
        yield client


@pytest.fixture
def docker_side(engine: DockerClient) -> DockerSide:
    """Look at the engine, from what is there now."""
    return DockerSide(engine, frozenset(everything(engine)))
