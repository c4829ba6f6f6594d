"""Scenarios of jobs and of Postgres, tried for real on the reference controller: what each comes to."""

import pytest

from tests.integration.failures.conftest import Tries
from tsse_validation.failures.scenarios_commits import COMMIT_SCENARIOS
from tsse_validation.failures.scenarios_jobs import JOBS_SCENARIOS
from tsse_validation.failures.scenarios_postgres import POSTGRES_SCENARIOS
from tsse_validation.runlog.failure_records import FailureTried

OTHER_SEED = 3
"""Not the one that the run of all scenarios has."""


def recovered(tried: FailureTried) -> None:
    assert (tried.outcome, tried.differing, tried.diagnoses, tried.touched) == ("recovered", 0, (), ()), tried
    assert tried.rows
    assert tried.struck
    assert tried.struck_at is not None


def test_what_a_transaction_commits_behind_the_watermark_is_found_and_a_backfill_brings_it(tries: Tries) -> None:
    tried = tries("transaction-longer-than-the-lag")
    recovered(tried)
    assert sum(found.rows for found in tried.before_repair) == 40
    assert tried.repaired_by.startswith("the same backfill once more")
    assert "lag guard" in tried.message


@pytest.mark.slow
def test_a_backfill_that_fails_half_way_leaves_a_date_empty_and_the_next_one_writes_it(tries: Tries) -> None:
    tried = tries("backfill-fails-half-way")
    recovered(tried)
    assert "partition missing" in {found.diagnosis for found in tried.before_repair}
    assert "metrics was renamed under the backfill" in tried.struck


@pytest.mark.slow
def test_rows_that_a_crash_of_postgres_has_taken_back_are_told_as_more_than_it_holds(tries: Tries) -> None:
    tried = tries("crash-with-commits-not-flushed")
    recovered(tried)
    assert {found.diagnosis for found in tried.before_repair} == {"deleted in Postgres"}
    assert "synchronous_commit off" in tried.message


@pytest.mark.slow
@pytest.mark.parametrize(
    "key", [scenario.key for scenario in (*JOBS_SCENARIOS, *POSTGRES_SCENARIOS, *COMMIT_SCENARIOS)]
)
def test_the_reference_controller_recovers_from_each(key: str, tries: Tries) -> None:
    recovered(tries(key, OTHER_SEED))
