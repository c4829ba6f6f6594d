import os
from collections.abc import Iterator

import pytest

from tests.support.builders import FakeClock
from tests.support.duckdbs import one_duckdb
from tsse_validation.settings.definitions import ENV_PREFIX


@pytest.fixture(autouse=True)
def _no_settings_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.upper().startswith(ENV_PREFIX) or name in {"CORE_DATABASE_URL", "GITHUB_STEP_SUMMARY"}:
            monkeypatch.delenv(name)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(scope="module")
def _one_duckdb() -> Iterator[None]:
    with one_duckdb():
        yield
