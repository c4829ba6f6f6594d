"""What differs while a backfill of somebody else replaces the lake's dates is no evidence, and is not told so."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from tests.integration.engine.conftest import NOON
from tests.integration.engine.farm import Farm
from tsse_validation.clients.snapshot import ActiveJob
from tsse_validation.domain.coverage import Scope
from tsse_validation.domain.errors import NotCheckedError
from tsse_validation.parity.direct import DirectProof
from tsse_validation.runlog.records import CountRow
from tsse_validation.steps.undisturbed import Undisturbed
from tsse_validation.steps.watermark import active_jobs_seen

HOUR = timedelta(hours=1)
DAYS = 4
LEFTOVER_AFTER = 600.0
JOB = "0f5f6c1e-0000-4000-8000-00000000000b"


@pytest.fixture
def farm(conninfo: str, tmp_path: Path) -> Iterator[Farm]:
    made = Farm(conninfo, tmp_path, NOON, shards=3)
    made.ingest(("sensor", NOON - n * HOUR, float(n), 0, NOON - n * HOUR) for n in range(1, 24 * DAYS))
    made.backfill(DAYS)
    yield made
    made.close()


def proof_of(farm: Farm, active: Callable[[], Sequence[ActiveJob] | None] | None = None) -> DirectProof:
    """Return a proof that rests on the backfill of now."""
    target = farm.coverage().backfill_to
    seen = active or partial(active_jobs_seen, farm.client, LEFTOVER_AFTER)
    return DirectProof(farm.client, farm.reader, hold=Undisturbed(farm.reader, lambda: target, seen))


def lose_a_date(farm: Farm) -> None:
    """Remove a date, as a backfill does before it writes it anew."""
    shutil.rmtree(farm.files()[len(farm.files()) // 2].parent.parent)


def start_job(farm: Farm, job_type: str = "lake_backfill_v1", *, still_seconds: float = 0) -> None:
    farm.connection.execute(
        "INSERT INTO analysis_jobs (id, job_type, status, updated_at)"
        " VALUES (%s, %s, 'running', now() - %s * interval '1 second')",
        (JOB, job_type, still_seconds),
    )


def by_digests(proof: DirectProof, scope: Scope) -> int:
    return sum(not row.matches for row in proof.compare_sensor_days(scope))


def in_one_window(proof: DirectProof, scope: Scope) -> int:
    return len(proof.count_window(scope).mismatching)


def in_many_windows(proof: DirectProof, scope: Scope) -> int:
    windows = [part.window for part in scope.split_by_day()]
    return sum(bool(counted.mismatching) for counted in proof.count_windows(scope, windows))


def row_by_row(proof: DirectProof, scope: Scope) -> int:
    """Compare all rows, as `--level rows` does, whatever the digests say."""
    days = [
        CountRow("sensor", part.window.start.date(), 24, 24, 0, 0, matches=True) for part in scope.split_by_day()
    ]
    return sum(compared.differences.num_rows for compared in proof.compare_rows(scope, days))


WAYS: dict[str, Callable[[DirectProof, Scope], int]] = {
    "by digests": by_digests,
    "in one window": in_one_window,
    "in many windows": in_many_windows,
    "row by row": row_by_row,
}
every_way = pytest.mark.parametrize("differing", WAYS.values(), ids=WAYS)


@every_way
def test_while_a_backfill_replaces_dates_nothing_is_told_to_be_missing(
    differing: Callable[[DirectProof, Scope], int], farm: Farm
) -> None:
    scope = Scope.covered_by(farm.coverage())
    start_job(farm)
    assert differing(proof_of(farm), scope) == 0, "what agrees is proven all the same"
    lose_a_date(farm)
    with pytest.raises(NotCheckedError, match=f"the backfill {JOB} replaces the lake's dates") as raised:
        differing(proof_of(farm), scope)
    assert raised.value.advice == "Run again when no other backfill runs."


@every_way
def test_what_a_backfill_has_replaced_since_the_range_was_promised_is_not_told_to_be_missing(
    differing: Callable[[DirectProof, Scope], int], farm: Farm
) -> None:
    """A shorter one takes the beginning of its first date away."""
    scope, proof = Scope.covered_by(farm.coverage()), proof_of(farm)
    farm.clock.now += HOUR
    farm.backfill(1)
    with pytest.raises(NotCheckedError, match="a backfill has replaced the lake's dates meanwhile"):
        differing(proof, scope)
    assert differing(proof_of(farm), Scope.covered_by(farm.coverage())) == 0


@every_way
@pytest.mark.parametrize(
    ("job_type", "still_seconds"),
    [("lake_backfill_v1", LEFTOVER_AFTER + 60), ("lake_inspect_v1", 0.0), ("lake_replication_tick_v1", 0.0)],
)
def test_a_job_that_replaces_nothing_excuses_nothing(
    job_type: str, still_seconds: float, differing: Callable[[DirectProof, Scope], int], farm: Farm
) -> None:
    """An inspection, a pass, or a backfill that a crash has left."""
    start_job(farm, job_type, still_seconds=still_seconds)
    lose_a_date(farm)
    assert differing(proof_of(farm), Scope.covered_by(farm.coverage())) > 0


@every_way
def test_what_an_earlier_backfill_had_promised_is_told_to_be_missing(
    differing: Callable[[DirectProof, Scope], int], farm: Farm
) -> None:
    """Rows beyond the covered range are due by what the lake promised before the run."""
    now = farm.coverage()
    earlier = replace(now, backfill_to=now.backfill_to - HOUR)
    lose_a_date(farm)
    assert differing(proof_of(farm), Scope.covered_by(earlier)) > 0


@every_way
def test_where_jobs_cannot_be_seen_what_differs_is_told(
    differing: Callable[[DirectProof, Scope], int], farm: Farm
) -> None:
    start_job(farm)
    lose_a_date(farm)
    assert differing(proof_of(farm, lambda: None), Scope.covered_by(farm.coverage())) > 0


def test_a_job_that_may_have_been_left_by_a_crash_is_told_with_what_tells_it_apart(farm: Farm) -> None:
    unmoved = ActiveJob(JOB, "lake_backfill_v1", "running", NOON, still_seconds=None)
    lose_a_date(farm)
    with pytest.raises(NotCheckedError) as raised:
        by_digests(proof_of(farm, lambda: [unmoved]), Scope.covered_by(farm.coverage()))
    assert "GRANT SELECT (updated_at, progress) ON analysis_jobs" in raised.value.advice
