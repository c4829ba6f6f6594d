"""Inspects the lake by the controller's job and by its files, and compares the two.

Replication goes on meanwhile: what did not change between two reads must be the same by both ways.
"""

import operator
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from pathlib import Path

from tsse_validation.clients.jobs import JobRunner
from tsse_validation.clients.watch import API_PAUSE_SECONDS, DIRECT_PAUSE_SECONDS, ReplicationWatch
from tsse_validation.domain.contract import (
    DATASET,
    INSPECT_JOB,
    InspectedDataset,
    InspectedPartition,
    Inspection,
    InspectResult,
    Replication,
    ShardFiles,
)
from tsse_validation.domain.errors import ElsewhereError
from tsse_validation.domain.instants import format_rfc3339
from tsse_validation.domain.polling import Told, poll
from tsse_validation.lake.reader import LakeFile, LakeListing, LakeReader
from tsse_validation.settings.definitions import Settings
from tsse_validation.steps.lake_recorder import LakeRecorder
from tsse_validation.steps.promises import crowded_shards
from tsse_validation.steps.run import Check

_ATTEMPTS = 3
_RETRY_SECONDS = 2.0
_TEMPORARY_SECONDS = 30.0
_FIRST_PASS_SECONDS = 90.0
COMPACTION_SECONDS = 150.0
"""How long a shard-day may hold too many files before compaction does not keep up."""


def inspect_by_job(jobs: JobRunner, settings: Settings) -> Inspection:
    """Run one inspection job (contract section 3)."""
    job = jobs.run(INSPECT_JOB, {}, InspectResult, purpose="inspect", timeout=settings.job_timeout)
    return job.result.inspection


def inspect_when_replicated(jobs: JobRunner, settings: Settings) -> Inspection:
    """Inspect, and wait for the first replication pass of a controller that has just started."""
    return _inspect_until(
        lambda lake: lake.replication.last_run_status is not None,
        "the first replication pass",
        jobs,
        settings,
        timeout=_FIRST_PASS_SECONDS,
    )


def settled_inspection(jobs: JobRunner, settings: Settings) -> Inspection:
    """Inspect, and again when manifest and state disagree: the two files are not replaced in one instant."""
    return _inspect_until(
        lambda lake: lake.metrics.computed_through_ts == lake.replication.computed_through_ts,
        "the manifest to be as new as the replication state",
        jobs,
        settings,
        timeout=_ATTEMPTS * _RETRY_SECONDS,
    )


def inspect_when_compacted(jobs: JobRunner, settings: Settings, today: date) -> Inspection:
    """Inspect, and give compaction its time while a shard-day holds too many files."""
    return _inspect_until(
        lambda inspection: not crowded_shards(inspection.metrics, today),
        "compaction to bring the number of files down",
        jobs,
        settings,
        timeout=COMPACTION_SECONDS,
        pause=API_PAUSE_SECONDS,
    )


def watch_by_jobs(jobs: JobRunner, settings: Settings, recorder: LakeRecorder | None = None) -> ReplicationWatch:
    """Watch the replication state by inspection jobs; what is seen goes to the recorder."""

    def read() -> Replication:
        state = inspect_by_job(jobs, settings).replication
        return state if recorder is None else recorder.watched(state, "inspection")

    return ReplicationWatch(read, pause=API_PAUSE_SECONDS, told=jobs.core.told)


def watch_by_file(lake: LakeReader, recorder: LakeRecorder, told: Told) -> ReplicationWatch:
    """Watch the replication state by its file; what is seen goes to the recorder."""

    def read() -> Replication:
        return recorder.watched(lake.replication(), "state_file")

    return ReplicationWatch(read, pause=DIRECT_PAUSE_SECONDS, told=told)


def temporary_files_left(lake: LakeReader) -> list[Path]:
    """Return the temporary files that do not go away: one in the making is renamed before long."""
    left: set[Path] | None = None

    def still_left() -> set[Path]:
        nonlocal left
        there = set(lake.listing().temporary)
        left = there if left is None else left & there
        return left

    seconds, pause, clock, sleep = _TEMPORARY_SECONDS, _RETRY_SECONDS, time.monotonic, time.sleep
    return sorted(poll(still_left, operator.not_, timeout=seconds, pause=pause, clock=clock, sleep=sleep))


@dataclass(frozen=True)
class AspectComparison:
    """One aspect compared both ways: how much was compared, and the differences."""

    compared: str
    differences: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    elsewhere: str = ""
    """Why a difference may be our mistake: the directories are others than the API names, or nobody gave them."""


def state_inspection(inspection: Inspection, check: Check) -> None:
    """State the findings of an inspection, and require a dataset."""
    metrics = inspection.metrics
    check.fact("hot path", inspection.hot_path)
    check.fact("cold path", inspection.cold_path or "none")
    check.fact("partitions", f"{len(metrics.partitions)} dates")
    check.fact("files", f"{sum(partition.parquet_files for partition in metrics.partitions.values()):,}")
    check.that(DATASET in inspection.datasets, f"The lake has no dataset {DATASET}.", "Has replication ever run?")
    watermark = inspection.replication.computed_through_ts
    check.fact("watermark", format_rfc3339(watermark) if watermark else "not set")


def check_aspect(comparison: AspectComparison, check: Check) -> None:
    """Hold that the API and the files do not differ in one of `INSPECTION_ASPECTS`.

    Raises ElsewhereError where they do, and the files may be another lake's.
    """
    check.fact("compared", comparison.compared)
    for warning in comparison.warnings:
        check.warn(warning)
    if comparison.differences and comparison.elsewhere:
        msg = f"{comparison.elsewhere} The API and the files differ: {'; '.join(comparison.differences[:3])}."
        raise ElsewhereError(msg, "Give --hot-path and --cold-path of this controller's lake, and no copy of it.")
    check.that(
        not comparison.differences,
        f"The API and the files differ: {'; '.join(comparison.differences[:3])}.",
        "Is --hot-path this controller's lake? If so, its inspection cannot be trusted.",
    )


@dataclass(frozen=True)
class _DirectView:
    """The lake by its files; `littered` has the litter too that one who goes by the suffix takes for files."""

    replication: Replication
    partitions: Mapping[date, InspectedPartition]
    littered: Mapping[date, InspectedPartition]


def compare_inspections(lake: LakeReader, jobs: JobRunner, settings: Settings) -> Mapping[str, AspectComparison]:
    """Inspect both ways, and compare every one of `INSPECTION_ASPECTS` as far as no file changed meanwhile."""
    for attempt in range(_ATTEMPTS):
        before = _direct_view(lake)
        inspection = inspect_by_job(jobs, settings)
        after = _direct_view(lake)
        comparisons = {
            "paths": _compare_paths(inspection, lake),
            "watermark": _compare_watermark(inspection, before, after),
            "replication": _compare_replication(inspection, before, after),
            "partitions": _compare_partitions(inspection, before, after),
        }
        if elsewhere := _elsewhere(inspection, lake):
            comparisons = {name: replace(found, elsewhere=elsewhere) for name, found in comparisons.items()}
        if attempt == _ATTEMPTS - 1 or not any(comparison.differences for comparison in comparisons.values()):
            return comparisons
        time.sleep(_RETRY_SECONDS)
    raise AssertionError("the loop returns")


def _direct_view(lake: LakeReader) -> _DirectView:
    replication = lake.replication()
    listing = lake.listing()
    named = {
        day: InspectedPartition(location=at.location) for day, at in lake.manifest().metrics.partitions.items()
    }
    found = _partitions(listing.locations, listing.files)
    littered = _partitions(listing.locations, (*listing.files, *listing.masked)) if listing.masked else {}
    return _DirectView(replication, {**named, **found}, littered)


def dataset_of(listing: LakeListing) -> InspectedDataset:
    """Return what a listing shows, in the shape of the API's inspection; its watermark is not looked up."""
    return InspectedDataset(partitions=_partitions(listing.locations, listing.files))


def _partitions(places: Mapping[date, str], files: Iterable[LakeFile]) -> dict[date, InspectedPartition]:
    shards: dict[date, dict[str, ShardFiles]] = {day: {} for day in places}
    for file in files:
        known = shards[file.day].get(file.shard, ShardFiles(parquet_files=0, total_bytes=0))
        shards[file.day][file.shard] = ShardFiles(
            parquet_files=known.parquet_files + 1, total_bytes=known.total_bytes + file.size
        )
    return {
        day: InspectedPartition.model_validate({"location": place, "shards": shards[day]})
        for day, place in places.items()
    }


def inspect_directly(lake: LakeReader) -> Inspection:
    """Inspect by the files themselves, in the shape of the API's inspection (contract section 3)."""
    view = _direct_view(lake)
    watermark = lake.manifest().metrics.computed_through_ts
    return Inspection(
        hot_path=str(lake.paths.hot),
        cold_path=str(lake.paths.cold) if lake.paths.cold else None,
        datasets={DATASET: InspectedDataset(computed_through_ts=watermark, partitions=view.partitions)},
        replication=view.replication,
    )


def _compare_paths(inspection: Inspection, lake: LakeReader) -> AspectComparison:
    others = _other_directories(inspection, lake)
    warnings = [f"{other}: a mounted copy?" for other in others]
    if inspection.cold_path and lake.paths.cold is None:
        warnings.append(f"the controller has a cold path, {inspection.cold_path}: give it by --cold-path")
    # a lake that nobody has given must be where the controller says that its own is
    return AspectComparison("hot and cold path", tuple(others if lake.paths.found else ()), tuple(warnings))


def _other_directories(inspection: Inspection, lake: LakeReader) -> list[str]:
    return [
        f"the API's {name} path is {said or 'not set'}, ours is {ours}"
        for name, said, ours in (
            ("hot", inspection.hot_path, lake.paths.hot),
            ("cold", inspection.cold_path, lake.paths.cold),
        )
        if ours and (not said or Path(said).resolve() != ours.resolve())
    ]


def _elsewhere(inspection: Inspection, lake: LakeReader) -> str:
    """Say why the files may be another lake's, or nothing."""
    if others := _other_directories(inspection, lake):
        return f"This may be another lake: {'; '.join(others)}."
    if lake.paths.found:
        return f"The lake {lake.paths.hot} was found here, not given: does --base-url lead to another host?"
    return ""


def _compare_watermark(inspection: Inspection, before: _DirectView, after: _DirectView) -> AspectComparison:
    said = inspection.metrics.computed_through_ts
    bounds = (before.replication.computed_through_ts, after.replication.computed_through_ts)
    differs = None in bounds or said is None or not bounds[0] <= said <= bounds[1]  # type: ignore[operator]
    found = f"the API says {said}, the state file {bounds[0]} and then {bounds[1]}"
    return AspectComparison("watermark", (found,) if differs else ())


def _compare_replication(
    inspection: Inspection,
    before: _DirectView,
    after: _DirectView,
    *,
    keys: Collection[str] = tuple(Replication.model_fields),
    ways: tuple[str, str] = ("by the API", "in the file"),
) -> AspectComparison:
    compared, differences = 0, []
    for name in keys:
        first, second = getattr(before.replication, name), getattr(after.replication, name)
        said = getattr(inspection.replication, name)
        if first == second:
            compared += 1
            if said != first:
                differences.append(f"{name} is {said} {ways[0]} and {first} {ways[1]}")
    return AspectComparison(
        f"{compared} of {len(Replication.model_fields)} keys, the others changed", tuple(differences)
    )


def _compare_partitions(
    inspection: Inspection,
    before: _DirectView,
    after: _DirectView,
    *,
    ways: tuple[str, str] = ("by the API", "by its files"),
) -> AspectComparison:
    said = inspection.metrics.partitions
    days = sorted(said.keys() | before.partitions.keys() | after.partitions.keys())
    steady = [day for day in days if before.partitions.get(day) == after.partitions.get(day)]
    differences = [
        f"date={day}: {_partition(said.get(day))} {ways[0]}, {_partition(after.partitions.get(day))} {ways[1]}"
        for day in steady
        if _differs(said.get(day), after.partitions.get(day))
        and _differs(said.get(day), after.littered.get(day, after.partitions.get(day)))
    ]
    return AspectComparison(f"{len(steady)} of {len(days)} dates, the others changed", tuple(differences))


def unlike_our_inspections(said: Inspection, before: Inspection, after: Inspection) -> list[str]:
    """Return where another's inspection differs from ours before and after it, in what these two agree on.

    What a pass reports of itself (`last_run_…`) may change and come to the same again; the rest only grows.
    """
    first, second = (
        _DirectView(ours.replication, ours.metrics.partitions, littered={}) for ours in (before, after)
    )
    keys = [name for name in Replication.model_fields if not name.startswith("last_run_")]
    ways = ("by the helper", "by us")
    places = [
        f"{name} is {theirs} by the helper and {ours} by us"
        for name, theirs, ours in (
            ("hot_path", said.hot_path, before.hot_path),
            ("cold_path", said.cold_path, before.cold_path),
        )
        if theirs != ours
    ]
    replication = _compare_replication(said, first, second, keys=keys, ways=ways)
    return [*places, *replication.differences, *_compare_partitions(said, first, second, ways=ways).differences]


def _differs(said: InspectedPartition | None, found: InspectedPartition | None) -> bool:
    if said is None or found is None:
        return said is not found
    return dict(said.shards) != dict(found.shards) or (bool(said.shards) and said.location != found.location)


def _partition(partition: InspectedPartition | None) -> str:
    if partition is None:
        return "not there"
    return f"{partition.parquet_files} files, {partition.total_bytes:,} bytes, {partition.location}"


def _inspect_until(
    settled: Callable[[Inspection], bool],
    what: str,
    jobs: JobRunner,
    settings: Settings,
    *,
    timeout: float,
    pause: float = _RETRY_SECONDS,
) -> Inspection:
    """Inspect until the state is as wanted, or the time is over: the last inspection then speaks for itself."""
    look, begins = partial(inspect_by_job, jobs, settings), partial(jobs.core.told, what)
    clock, sleep = time.monotonic, time.sleep
    return poll(look, settled, timeout=timeout, pause=pause, clock=clock, sleep=sleep, begins=begins)
