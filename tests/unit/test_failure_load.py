"""A load that was not what the scenario says proves nothing; and how the lake's files are counted."""

import pytest

from fixtures.farm.bulk import BulkCounts
from tsse_validation.domain.errors import NotCheckedError
from tsse_validation.failures.backfills import files_of
from tsse_validation.failures.scenarios_load import hold_loaded

AS_ASKED = BulkCounts(fresh=9_000, late=500, upserts=500, seconds=1.0, longest_batch=0.2)


def test_a_load_as_it_was_asked_for_is_taken() -> None:
    hold_loaded(AS_ASKED, 10_000)


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        pytest.param(BulkCounts(fresh=8_999, seconds=1.0), "8,999 rows a second, not the 10,000", id="too few"),
        pytest.param(BulkCounts(), "0 rows a second", id="none"),
        pytest.param(
            BulkCounts(fresh=90_000, seconds=9.0, longest_batch=5.1), "5.1 s for a batch", id="a slow batch"
        ),
        pytest.param(BulkCounts(fresh=90_000, seconds=9.0, error="QueryCanceled"), "QueryCanceled", id="an error"),
    ],
)
def test_any_other_load_proves_nothing(counts: BulkCounts, said: str) -> None:
    with pytest.raises(NotCheckedError, match=said):
        hold_loaded(counts, 10_000)


def test_only_finished_files_of_a_kind_are_counted() -> None:
    shard = "hot/metrics/v1/date=2026-01-01/shard=00"
    seen = frozenset(
        f"{shard}{name}"
        for name in (
            "",
            "/part-a-0.parquet",
            "/part-a-1.parquet.tmp",
            "/backfill-a-0.parquet",
            "/compact-a.parquet",
        )
    )
    assert files_of(seen, "part") == files_of(seen, "backfill") == files_of(seen, "compact") == 1
    assert files_of(frozenset(), "part") == 0
