"""What a run with a seal of the lake works on: the exchange with the lake's owner, and the proof by two seals."""

import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest

from tsse_validation.clients.jobs import JobRunner
from tsse_validation.clients.postgres import PostgresClient
from tsse_validation.domain.coverage import Scope
from tsse_validation.seals.sealed_proof import SealedProof
from tsse_validation.settings.definitions import Settings
from tsse_validation.steps.inspecting import inspect_by_job
from tsse_validation.steps.progress import ProgressReporter
from tsse_validation.steps.run import ValidationRun
from tsse_validation.steps.sealing import LakeExchange


@pytest.fixture(scope="session")
def lake_exchange(
    run: ValidationRun,
    database: PostgresClient,
    jobs: JobRunner,
    settings: Settings,
    progress: ProgressReporter,
) -> LakeExchange:
    """Ask the lake's owner, once the database is proven to be the controller's."""
    return LakeExchange(run, database, progress, partial(inspect_by_job, jobs, settings))


@pytest.fixture(scope="session")
def sealed_parts(lake_exchange: LakeExchange, promised_scope: Scope) -> Sequence[Scope]:
    """Return what is sealed: the covered range, and what is due beyond it."""
    return lake_exchange.parts(promised_scope)


@pytest.fixture(scope="session")
def sealed_proof(
    lake_exchange: LakeExchange, database: PostgresClient, sealed_parts: Sequence[Scope]
) -> Iterator[SealedProof]:
    """Compare by a seal of each side; the lake's files behind what differs are laid out while the run goes on."""
    seals = lake_exchange.exchange(sealed_parts)
    with tempfile.TemporaryDirectory(prefix="tsse-rows-") as name:
        ask = partial(lake_exchange.rows, seals.lake)
        yield SealedProof(database, seals, ask=ask, directory=Path(name).resolve())
