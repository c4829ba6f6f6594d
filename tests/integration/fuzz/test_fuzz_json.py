"""Whatever the API, the state files or a setup config hold: it is understood, or refused in a sentence."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from tests.integration.fuzz import samples
from tests.integration.fuzz.mutating import texts
from tests.support.memory import peak_bytes
from tsse_validation.clients.budget import PostBudget
from tsse_validation.clients.core import CoreClient
from tsse_validation.clients.http import Answer, HttpClient
from tsse_validation.domain.contract import BackfillResult, InspectResult, ParityResult, TickResult
from tsse_validation.domain.errors import SettingsError, SuiteError
from tsse_validation.domain.stack import LakePaths
from tsse_validation.lake.reader import LakeReader
from tsse_validation.settings.credentials import read_setup_config

MOST_MEMORY = 400 * 1024 * 1024
"""Above what is used before; none of the inputs is larger than a megabyte."""
JOB_ID = "9b2f6a0e-6d0e-4a5c-8a58-0d0b2c7d2f10"
Ask = Callable[[CoreClient], object]

ANSWERS: dict[str, tuple[Any, Ask]] = {
    "health": ({"status": "ok", "more": [1]}, lambda core: core.health()),
    "job": (samples.JOB, lambda core: core.job(JOB_ID)),
    "created": (samples.JOB, lambda core: core.create_job("lake_inspect_v1", {}, purpose="fuzz")),
    "events": (samples.EVENTS, lambda core: core.events(JOB_ID)),
    "inspection": (samples.INSPECTED, lambda core: core.result(JOB_ID, InspectResult)),
    "backfill": (samples.BACKFILLED, lambda core: core.result(JOB_ID, BackfillResult)),
    "tick": (samples.TICKED, lambda core: core.result(JOB_ID, TickResult)),
    "parity": (samples.COUNTED, lambda core: core.result(JOB_ID, ParityResult)),
}


class _Parrot(HttpClient):
    """A client of a server that always gives the same answer."""

    body = b""

    def send(
        self, method: str, path: str, *, headers: dict[str, str] | None = None, json: object | None = None
    ) -> Answer:
        del method, headers, json
        kind = httpx.Headers({"content-type": "application/json"})
        return Answer(f"{self.base_url}{path}", 200, kind, self.body, 0.0)


@pytest.fixture
def parrot() -> Iterator[_Parrot]:
    client = _Parrot("http://127.0.0.1:1", service="core-server", connect_timeout=1, request_timeout=1)
    yield client
    client.close()


def _feed(sample: Any, read: Callable[[bytes], object], refusal: type[SuiteError] = SuiteError) -> None:
    """Have mutations of a sample read: one at least is understood, the others are refused, in little memory."""
    began, understood = peak_bytes(), 0
    for content in texts(sample):
        with contextlib.suppress(refusal):
            read(content)
            understood += 1
    assert understood, "every input was refused: the mutations are too coarse to test more than the first check"
    assert peak_bytes() - began < MOST_MEMORY


@pytest.mark.parametrize("name", ANSWERS)
def test_whatever_the_api_answers_is_understood_or_refused(name: str, parrot: _Parrot) -> None:
    sample, ask = ANSWERS[name]

    def read(body: bytes) -> object:
        parrot.body = body
        # each time a budget that nothing was spent of
        return ask(CoreClient(parrot, SecretStr("A" * 43), PostBudget(lambda: 0.0)))

    _feed(sample, read)


@pytest.mark.parametrize(
    ("name", "sample"),
    [("replication", samples.REPLICATION), ("manifest", samples.MANIFEST)],
    ids=["replication", "manifest"],
)
def test_whatever_a_state_file_holds_is_understood_or_refused(name: str, sample: Any, tmp_path: Path) -> None:
    (tmp_path / "_state").mkdir()
    path = tmp_path / "_state" / f"{name}.json"
    look = getattr(LakeReader(LakePaths(tmp_path, None, 16)), name)
    _feed(sample, lambda content: (path.write_bytes(content), look()))


def test_whatever_a_setup_config_holds_is_a_dsn_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "setup.json"
    _feed(
        samples.SETUP_CONFIG, lambda content: (path.write_bytes(content), read_setup_config(path)), SettingsError
    )
