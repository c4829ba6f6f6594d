"""Records the state of the lake whenever a check reads it: files per date, and the replication backlog."""

import math
import time
from collections.abc import Callable
from datetime import date

from tsse_validation.clients.watch import ControllerClock
from tsse_validation.domain.contract import InspectedPartition, Inspection, ParityResult, Replication
from tsse_validation.runlog.records import PartitionFiles, PartitionsSeen, ReplicationSeen, ReplicationSource
from tsse_validation.steps.run import ValidationRun

UNCHANGED_PAUSE_SECONDS = 2.0
"""Seconds between two records of an unchanged state: one a second would swell the log."""
_NOT_SAID = (None, None, None)
"""The parity job does not report how many files, bytes and shards a date has."""


class LakeRecorder:
    """Writes what is seen of the lake to the run log, with the time by the controller's clock."""

    def __init__(
        self, run: ValidationRun, clock: ControllerClock, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._run = run
        self._clock = clock
        self._monotonic = monotonic
        self._last: tuple[ReplicationSource, Replication] | None = None
        self._recorded_at = 0.0

    def inspection(self, inspection: Inspection, moment: str) -> None:
        """Write down the files of every date, and the replication that came with them."""
        partitions = inspection.metrics.partitions
        self._run.record(
            PartitionsSeen(
                at=self._clock.now(),
                source="inspection",
                moment=moment,
                dates=tuple(_inspected(day, partitions[day]) for day in sorted(partitions)),
            )
        )
        self._replication(inspection.replication, "inspection")

    def parity(self, result: ParityResult) -> None:
        """Write down the files of the dates in the parity job's window, and its replication state."""
        self._run.record(
            PartitionsSeen(
                at=self._clock.now(),
                source="parity",
                moment="by the parity job, for its window",
                dates=tuple(
                    PartitionFiles(
                        p.date, p.location, *_NOT_SAID, p.max_shard_files, p.file_count, p.last_compacted_at
                    )
                    for p in result.partitions
                ),
            )
        )
        self._replication(result.replication, "parity")

    def watched(self, state: Replication, source: ReplicationSource) -> Replication:
        """Write down a replication state that is looked at again and again, and return it."""
        since = self._monotonic() - self._recorded_at
        if self._last != (source, state) or since >= UNCHANGED_PAUSE_SECONDS:
            self._replication(state, source)
        return state

    def _replication(self, state: Replication, source: ReplicationSource) -> None:
        self._last, self._recorded_at = (source, state), self._monotonic()
        age, backlog = self._clock.age_seconds(state.computed_through_ts), state.last_run_backlog_seconds
        if backlog is not None and not math.isfinite(backlog):  # no JSON can hold it: the check itself judges it
            state = state.model_copy(update={"last_run_backlog_seconds": None})
        self._run.record(
            ReplicationSeen(
                at=self._clock.now(),
                source=source,
                age_seconds=round(age, 3) if math.isfinite(age) else None,
                age_limit_seconds=self._run.settings.watermark_max_age,
                state=state,
            )
        )


def _inspected(day: date, partition: InspectedPartition) -> PartitionFiles:
    files, size, shards = partition.parquet_files, partition.total_bytes, len(partition.shards)
    return PartitionFiles(day, partition.location, files, size, shards, partition.most_in_a_shard, None, None)
