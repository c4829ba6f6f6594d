"""The fixtures of the conformance tests."""

from collections.abc import Iterator

import pytest

from tsse_validation.clients.http import HttpClient
from tsse_validation.clients.jobs import JobRunner
from tsse_validation.conformance.job_cases import Surroundings
from tsse_validation.conformance.subject import Subject
from tsse_validation.settings.definitions import Settings
from tsse_validation.steps.run import ValidationRun
from tsse_validation.steps.validated_stack import Stack


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
