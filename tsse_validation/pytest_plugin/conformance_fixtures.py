"""The fixtures of the conformance tests, and their selection: they run only when they are named."""

import re
from collections.abc import Iterator

import pytest

from tsse_validation.clients.http import HttpClient
from tsse_validation.clients.jobs import JobRunner
from tsse_validation.conformance.job_cases import Surroundings
from tsse_validation.conformance.subject import Subject
from tsse_validation.settings.definitions import Settings
from tsse_validation.steps.run import ValidationRun
from tsse_validation.steps.validated_stack import Stack

MARKER = "conformance"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the conformance tests out unless they are asked for: they are no part of the runbook."""
    if re.search(rf"\b{MARKER}\b", config.option.markexpr or ""):
        return
    left_out = [item for item in items if item.get_closest_marker(MARKER) and not _named(config, item)]
    if left_out:
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)


def _named(config: pytest.Config, item: pytest.Item) -> bool:
    paths = (config.invocation_params.dir / argument.split("::", 1)[0] for argument in config.args)
    return any(path.resolve() == item.path for path in paths)


@pytest.fixture(scope="session")
def subject(
    pytestconfig: pytest.Config, run: ValidationRun, stack: Stack, settings: Settings, jobs: JobRunner
) -> Iterator[Subject]:
    """Provide the controller whose conformance is tried."""
    jobs.core.identify()
    bench = pytestconfig.hook.pytest_tsse_provide_bench(stack=stack) if stack.owned else None
    http = HttpClient.from_settings(stack.base_url, "core-server", settings)
    subject = Subject(run, stack, http, jobs, bench)
    yield subject
    subject.close()
    http.close()


@pytest.fixture(scope="session")
def surroundings(subject: Subject) -> Surroundings:
    """Find the data that jobs can run on; only on a stack of our own."""
    return subject.require_owned().look_around()
