"""Step 1, health: the controller's services answer (runbook, prereqs)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tsse_validation import steps
from tsse_validation.domain.phrasing import milliseconds

if TYPE_CHECKING:
    from tsse_validation.clients.core import CoreClient
    from tsse_validation.clients.http import HttpClient
    from tsse_validation.clients.postgres import PostgresClient
    from tsse_validation.steps.run import Check

pytestmark = [pytest.mark.tier_a, pytest.mark.step(1)]


def test_core_server_answers_healthz(core: CoreClient, check: Check) -> None:
    health = core.health()
    check.fact("latency", milliseconds(health.seconds))
    steps.services.hold_core_health(health)


def test_qdrant_answers_healthz(qdrant: HttpClient, check: Check) -> None:
    from tsse_validation.clients.qdrant import qdrant_health

    health = qdrant_health(qdrant)
    check.fact("version", health.version)
    check.fact("latency", milliseconds(health.seconds))
    steps.services.hold_qdrant_health(health)


def test_postgres_answers_a_query(postgres: PostgresClient, check: Check) -> None:
    from tsse_validation.runlog.records import FarmSeen

    with postgres.snapshot() as snapshot:
        server = snapshot.server()
        sensors = snapshot.sensor_ids()
        layout = snapshot.layout()
    check.fact("server", server)
    check.fact("metrics", f"{layout}, about {layout.rows:,} rows")
    check.fact("latency", milliseconds(server.seconds))
    check.fact("sensors", f"{len(sensors):,}")
    check.record(FarmSeen(sensors=len(sensors)))
    check.that(sensors, "Postgres has no sensor.", "Is this the controller's database?")
