import os

import pytest

from tests.support.builders import FakeClock
from tsse_validation.settings.model import ENV_PREFIX


@pytest.fixture(autouse=True)
def _no_settings_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.upper().startswith(ENV_PREFIX) or name in {"CORE_DATABASE_URL", "GITHUB_STEP_SUMMARY"}:
            monkeypatch.delenv(name)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()
