"""What a test does to Docker, and what it finds there."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import docker.errors
from docker import DockerClient
from docker.models.containers import Container

from fixtures.images.local import DEBIAN, POSTGRES, PYTHON, QDRANT, SUITE_BASE
from fixtures.stacks.engine import STACK_LABEL
from tests.support.command import Runbook

IMAGES = (f"--postgres-image={POSTGRES}", f"--qdrant-image={QDRANT}")
NIGHTLY = ("-m", "nightly", "--stack=containers", *IMAGES)
ON_LOCAL_IMAGES = (*NIGHTLY, f"--base-image={PYTHON}")
NEEDED = (DEBIAN, PYTHON, SUITE_BASE, POSTGRES, QDRANT)
SMALL = ("--farm-rows=3000", "--farm-sensors=6", "--max-windows=14", "--max-job-windows=2", "--poll-interval=0.25")


@dataclass(frozen=True)
class DockerSide:
    """The engine, seen from outside of the suite; `known` is what was there before the test."""

    client: DockerClient
    known: frozenset[str]

    def service(self, name: str) -> Container:
        """Return the container of a service of the one stack that runs."""
        (container,) = (
            container
            for container in self.client.containers.list(filters={"label": STACK_LABEL}, ignore_removed=True)
            if name in _aliases(container)
        )
        return container

    def stack(self) -> str:
        """Return the name of the one stack that runs, which is its network's too."""
        return str(self.service("postgres").labels[STACK_LABEL])

    def left_behind(self) -> list[str]:
        """Return the containers, networks and volumes that were not there before."""
        return sorted(everything(self.client) - self.known)

    def holds_nothing_of(self, runbook: Runbook) -> None:
        """Hold that runs have left nothing here, and nothing in their directory."""
        assert self.left_behind() == []
        assert runbook.left_behind() == []

    def move(self, name: str, network: str) -> None:
        """Put a service on another network: those of its stack lose it, and this machine still reaches it.

        To leave the one network first would take its published port away, to this machine's side too.
        """
        container, stack = self.service(name), self.stack()
        self.client.networks.get(network).connect(container)
        self.client.networks.get(stack).disconnect(container)

    @contextmanager
    def network(self, name: str) -> Iterator[str]:
        """Lend a network of the test's own."""
        network = self.client.networks.create(name)
        try:
            yield name
        finally:
            network.remove()


def everything(client: DockerClient) -> set[str]:
    """Return the containers, networks and volumes by kind and id."""
    containers = client.containers.list(all=True, ignore_removed=True)
    return {
        *(f"container {container.id} {container.attrs['Config']['Image']}" for container in containers),
        *(f"network {network.id} {network.name}" for network in client.networks.list()),
        *(f"volume {volume.id}" for volume in client.volumes.list()),
    }


def is_here(client: DockerClient, name: str) -> bool:
    """Whether an image is here."""
    try:
        client.images.get(name)
    except docker.errors.ImageNotFound:
        return False
    return True


def _aliases(container: Container) -> set[str]:
    networks = container.attrs["NetworkSettings"]["Networks"].values()
    return {alias for network in networks for alias in network["Aliases"] or ()}
