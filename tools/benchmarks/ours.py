"""Contender: our full proof, as step 6 of the runbook runs it. Digests of all rows, rows where they differ."""

from datetime import UTC

import pyarrow as pa
from pydantic import SecretStr

from tools.benchmarks.case import Answer, Case, Difference
from tsse_validation.clients.postgres import PostgresClient
from tsse_validation.domain.coverage import Coverage, Scope
from tsse_validation.domain.instants import to_micros
from tsse_validation.domain.stack import LakePaths
from tsse_validation.lake.reader import LakeReader
from tsse_validation.parity.direct import DirectProof
from tsse_validation.settings.definitions import Settings


def prepare(_case: Case) -> None:
    """Let Arrow look for pandas, which another contender has brought here: ours has no use for it."""
    pa.array([0])


def scope_of(case: Case, lake: LakeReader) -> Scope:
    """Return what of the window the lake promises."""
    coverage = Coverage.promised_by(lake.replication())
    assert coverage.window is not None
    window = case.window.clamp(coverage.window)
    assert window is not None
    return Scope(window, coverage)


def run(case: Case) -> Answer:
    """Prove the window by one process of the server."""
    return proven(case, Settings())


def proven(case: Case, settings: Settings) -> Answer:
    """Prove the window."""
    lake = LakeReader(LakePaths(case.hot, None, case.shards))
    proof = DirectProof(PostgresClient.from_settings(SecretStr(case.conninfo), settings), lake)
    scope = scope_of(case, lake)
    counts = proof.compare_sensor_days(scope)
    differing = [row for row in counts if not row.matches]
    compared = [day.differences.to_pylist() for day in proof.compare_rows(scope, differing)]
    return Answer(
        rows=sum(row.postgres for row in counts),
        differs=bool(differing),
        differences=tuple(
            Difference(row["kind"], row["sensor_id"], to_micros(row["ts"].replace(tzinfo=UTC)))
            for day in compared
            for row in day
        ),
        note=f"{len(differing)} of {len(counts)} sensor-days differ",
    )
