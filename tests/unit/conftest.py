import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.builders import FakeClock
from tests.support.duckdbs import one_duckdb
from tsse_validation.settings import discovery
from tsse_validation.settings.definitions import ENV_PREFIX


@pytest.fixture(autouse=True)
def _no_settings_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.upper().startswith((ENV_PREFIX, "CORE_")) or name == "GITHUB_STEP_SUMMARY":
            monkeypatch.delenv(name)
    monkeypatch.setattr(discovery, "DATA_ROOT", Path("/no/such/installation"))


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(scope="module")
def _one_duckdb() -> Iterator[None]:
    with one_duckdb():
        yield
