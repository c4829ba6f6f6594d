"""What is written down of the lake when a check looks at it."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from tsse_validation.clients.watch import ControllerClock
from tsse_validation.domain.contract import Inspection, InspectResult, ParityResult, Replication
from tsse_validation.runlog.records import PartitionsSeen, Record, ReplicationSeen
from tsse_validation.settings.definitions import Settings
from tsse_validation.steps.lake_recorder import UNCHANGED_PAUSE_SECONDS, LakeRecorder

if TYPE_CHECKING:
    from tsse_validation.steps.run import ValidationRun

NOW = datetime(2026, 1, 24, 16, 58, 36, tzinfo=UTC)
REAL = Path(__file__).parents[1] / "data" / "tsse-lake-inspect-20260124_165836-0.1.9.211.json"


class Seen:
    """A recorder whose clocks stand still until they are told."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.seconds = 0.0
        run = SimpleNamespace(record=lambda *records: self.records.extend(records), settings=Settings())
        clock = ControllerClock(None, now=lambda: NOW + timedelta(seconds=self.seconds))
        self.lake = LakeRecorder(cast("ValidationRun", run), clock, monotonic=lambda: self.seconds)

    @property
    def replication(self) -> list[ReplicationSeen]:
        return [record for record in self.records if isinstance(record, ReplicationSeen)]

    @property
    def partitions(self) -> list[PartitionsSeen]:
        return [record for record in self.records if isinstance(record, PartitionsSeen)]


def test_a_real_inspection_is_written_down_date_by_date() -> None:
    seen = Seen()
    result = InspectResult.model_validate(json.loads(REAL.read_bytes())["result"])
    seen.lake.inspection(result.inspection, "before the backfill")
    (partitions,) = seen.partitions
    by_day = {str(of_date.day): of_date for of_date in partitions.dates}
    assert list(by_day) == sorted(by_day)
    assert (by_day["2026-01-05"].files, by_day["2026-01-05"].shards) == (0, 0)
    assert (by_day["2026-01-24"].files, by_day["2026-01-24"].most_in_a_shard) == (44, 3)
    assert by_day["2026-01-06"].size == sum(
        files.total_bytes
        for files in result.inspection.metrics.partitions[by_day["2026-01-06"].day].shards.values()
    )
    (replication,) = seen.replication
    assert replication.state == result.inspection.replication
    assert replication.age_seconds == pytest.approx(344.354, abs=0.001)
    assert replication.age_limit_seconds == Settings().watermark_max_age


def test_a_parity_job_tells_what_the_manifest_says_and_no_more() -> None:
    seen = Seen()
    window = {"start": NOW - timedelta(days=1), "end": NOW}
    partition = {"date": "2026-01-24", "location": "hot", "file_count": 156, "max_shard_files": 10}
    seen.lake.parity(
        ParityResult.model_validate(
            {
                "job_type": "lake_parity_check_v1",
                "window_requested": window,
                "window_checked": window,
                "sensor_ids": [],
                "mismatches": 0,
                "rows": [],
                "replication": {"schema_version": 1},
                "partitions": [partition],
            }
        )
    )
    ((of_date,),) = [record.dates for record in seen.partitions]
    assert (of_date.manifest_files, of_date.most_in_a_shard, of_date.files, of_date.size) == (156, 10, None, None)
    assert seen.replication[0].age_seconds is None


def test_what_is_watched_is_written_down_when_it_changes_and_now_and_then() -> None:
    seen = Seen()
    states = [Replication(computed_through_ts=NOW), Replication(computed_through_ts=NOW + timedelta(seconds=1))]
    assert seen.lake.watched(states[0], "state_file") == states[0]
    seen.lake.watched(states[0], "state_file")
    assert len(seen.replication) == 1
    seen.lake.watched(states[1], "state_file")
    assert len(seen.replication) == 2
    seen.seconds += UNCHANGED_PAUSE_SECONDS
    seen.lake.watched(states[1], "state_file")
    seen.lake.watched(states[1], "parity")
    assert [look.source for look in seen.replication] == ["state_file"] * 3 + ["parity"]
    assert [look.age_seconds for look in seen.replication] == [0.0, -1.0, 1.0, 1.0]


@pytest.mark.parametrize("strange", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_no_json_can_hold_is_written_down_as_not_told(strange: float) -> None:
    seen = Seen()
    state = Replication(last_run_backlog_seconds=strange)
    assert seen.lake.watched(state, "parity") is state
    assert seen.replication[0].state.last_run_backlog_seconds is None


def test_a_lake_without_a_dataset_has_no_dates() -> None:
    seen = Seen()
    seen.lake.inspection(
        Inspection(hot_path="/hot", datasets={}, replication=Replication()), "before the backfill"
    )
    assert [record.dates for record in seen.partitions] == [()]
