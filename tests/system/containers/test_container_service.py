"""One service in a container: told when it ends, its log saved up to a cap, no secret in it."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from docker import DockerClient

from fixtures.images.building import Recipe, build
from fixtures.images.local import DEBIAN
from fixtures.stacks.container_service import LOG_CAP_BYTES, ContainerRunner, ContainerSpec
from fixtures.stacks.engine import OWNER_LABEL, owner_labels, remove_stack, sweep_abandoned_stacks
from fixtures.stacks.images import settle_on_ryuk
from tests.system.containers.docker_side import DockerSide
from tsse_validation.domain.errors import StackError
from tsse_validation.domain.polling import wait_until
from tsse_validation.runlog.redaction import MASK, Redactor

pytestmark = pytest.mark.slow

STACK = "tsse-test-service"
SECRET = "s3cret-of-the-service"
SPEC = ContainerSpec("talker", DEBIAN, 80, {"SECRET": SECRET})
ENDED = "exited"


@pytest.fixture
def runner(engine: DockerClient, docker_side: DockerSide) -> Iterator[ContainerRunner]:
    """Start containers of one stack, which is gone afterwards."""
    settle_on_ryuk(engine)
    labels = owner_labels(STACK, keep=False)
    engine.networks.create(STACK, labels=labels)
    yield ContainerRunner(engine, STACK, labels, Redactor([SECRET]))
    remove_stack(engine, STACK)
    assert docker_side.left_behind() == []


def saying(script: str) -> ContainerSpec:
    return replace(SPEC, command=["sh", "-c", script])


def test_a_service_that_ends_is_told_with_status_and_last_words_and_without_secrets(
    runner: ContainerRunner,
) -> None:
    service = runner.start(saying('echo "the token $SECRET is refused"; exit 3'))
    with pytest.raises(StackError) as caught:
        service.wait_ready(lambda _: False, 30)
    assert "talker is not running: its container ended with exit status 3" in caught.value.message
    assert f"the token {MASK} is refused" in caught.value.message
    assert SECRET not in str(caught.value)


def test_a_service_that_does_not_get_ready_is_given_up_at_its_deadline(runner: ContainerRunner) -> None:
    service = runner.start(saying("echo here I am; exec sleep 60"))
    assert wait_until(lambda: "here I am" in service.tail(), seconds=30)
    with pytest.raises(StackError, match=r"did not become ready within 0\.5 s") as caught:
        service.wait_ready(lambda _: False, 0.5)
    assert "here I am" in caught.value.message


def test_a_service_whose_container_is_removed_by_somebody_is_told(runner: ContainerRunner) -> None:
    service = runner.start(saying("exec sleep 60"))
    service.container.remove(force=True)
    with pytest.raises(StackError, match="somebody has removed its container"):
        service.check_alive()


def test_of_a_long_log_the_end_is_saved_and_the_rest_is_counted(runner: ContainerRunner, tmp_path: Path) -> None:
    service = runner.start(saying('yes "$SECRET" | head -n 50000; echo the end'))

    def ended() -> bool:
        service.container.reload()
        return bool(service.container.status == ENDED)

    assert wait_until(ended, seconds=60)
    path = tmp_path / "logs" / "talker.log"
    service.save_log(path)
    text = path.read_text()
    assert text.startswith("[the first ")
    assert "bytes are left out]" in text.splitlines()[0]
    assert text.endswith("the end\n")
    assert SECRET not in text
    assert MASK in text
    assert path.stat().st_size <= LOG_CAP_BYTES + 200


def test_what_another_machine_or_a_living_run_has_is_not_swept(
    engine: DockerClient, docker_side: DockerSide
) -> None:
    living = owner_labels("tsse-test-living", keep=False)
    record = json.loads(living[OWNER_LABEL])
    dead = json.loads(record["owner"]) | {"started": "another start"}
    owners = {
        "living": living[OWNER_LABEL],
        "elsewhere": json.dumps({"host": "another-machine", "owner": json.dumps(dead)}),
        "kept": owner_labels("tsse-test-kept", keep=True)[OWNER_LABEL],
        "garbled": "{",
        "dead": json.dumps({"host": record["host"], "owner": json.dumps(dead)}),
    }
    try:
        for name, owner in owners.items():
            labels = owner_labels(f"tsse-test-{name}", keep=False) | {OWNER_LABEL: owner}
            engine.networks.create(f"tsse-test-{name}", labels=labels)
        assert sweep_abandoned_stacks(engine) == ["tsse-test-dead"]
    finally:
        for name in owners:
            remove_stack(engine, f"tsse-test-{name}")
    assert docker_side.left_behind() == []


def test_an_image_is_built_only_when_its_content_changes(engine: DockerClient, tmp_path: Path) -> None:
    dockerfile = tmp_path / "Dockerfile"
    recipe = Recipe("tsse-test/built:1", DEBIAN, {"Dockerfile": dockerfile})
    dockerfile.write_text("ARG BASE\nFROM ${BASE}\nENV NUMBER=1\n")
    try:
        assert build(engine, recipe)
        assert not build(engine, recipe)
        dockerfile.write_text("ARG BASE\nFROM ${BASE}\nENV NUMBER=2\n")
        assert build(engine, recipe)
        dockerfile.write_text("ARG BASE\nFROM ${BASE}\nRUN echo no luck; exit 7\n")
        with pytest.raises(StackError, match="no luck"):
            build(engine, recipe)
    finally:
        engine.images.remove(recipe.tag)
