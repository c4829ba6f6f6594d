"""A controller to be validated as an installed one, and what runs the runbook against it."""

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from fixtures.stacks.embedded import running_stack
from tests.support.command import Directly, Run, Runbook
from tests.support.controller import BACKFILLED_DAYS, OPTIONS, Controller


@pytest.fixture(scope="session")
def stack_directory() -> Iterator[Path]:
    """Lend a directory for stacks that every user may pass through, as root's PostgreSQL runs as another one."""
    with tempfile.TemporaryDirectory(prefix="tsse-runbook-") as name:
        path = Path(name).resolve()
        path.chmod(0o755)
        yield path


@pytest.fixture
def runbook(tmp_path: Path, stack_directory: Path) -> Iterator[Runbook]:
    """Run the runbook; its stacks, if it makes any, lie in a directory of their own."""
    runbook = Runbook(tmp_path, stack_directory)
    yield runbook
    runbook.close()


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Controller]:
    """Run one controller for the whole session, with a small farm and ten days in its lake."""
    with running_stack(OPTIONS, lambda _: None) as running:
        controller = Controller(running, tmp_path_factory.mktemp("controller"))
        controller.backfill(BACKFILLED_DAYS)
        controller.save()
        yield controller


@pytest.fixture
def controller(installed: Controller, runbook: Runbook) -> Iterator[Controller]:
    """Lend the controller to a test that may do to it what it likes: it is made whole again."""
    runbook.secrets += installed.secrets
    yield installed
    installed.restore()


@pytest.fixture
def directly(runbook: Runbook, controller: Controller) -> Directly:
    """Run the runbook against the controller, with all that can be looked at."""

    def run(*arguments: str, env: Mapping[str, str] | None = None) -> Run:
        return runbook(*arguments, *controller.directly(), env={**controller.environment, **(env or {})})

    return run
