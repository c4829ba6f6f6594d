"""The lake by the API and by its files, with a job runner that says what a test wants it to."""

from collections.abc import Callable, Iterable
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.support.builders import SECOND, WATERMARK, FakeClock, inspect_job, inspection, replication
from tsse_validation.clients.jobs import FinishedJob, JobRunner
from tsse_validation.domain.aspects import INSPECTION_ASPECTS
from tsse_validation.domain.contract import DATASET, INSPECT_JOB, Inspection, InspectResult, Replication
from tsse_validation.domain.errors import ElsewhereError, PromiseBrokenError
from tsse_validation.domain.stack import LakePaths
from tsse_validation.lake.reader import LakeReader
from tsse_validation.settings.definitions import Settings
from tsse_validation.steps import inspecting
from tsse_validation.steps.inspecting import (
    AspectComparison,
    check_aspect,
    compare_inspections,
    inspect_by_job,
    inspect_when_compacted,
    inspect_when_replicated,
    settled_inspection,
    temporary_files_left,
)
from tsse_validation.steps.run import Check, ValidationRun

SETTINGS = Settings()
DATES = ("2026-01-23", "2026-01-24")


class FakeJobs:
    """Answers each inspection with the next of some, the last of them for ever; each may come with a happening."""

    def __init__(self, answers: Iterable[Inspection], before: Callable[[int], None] = lambda _count: None) -> None:
        self.waits: list[str] = []
        self.core = SimpleNamespace(told=lambda what, _seconds: self.waits.append(what))
        self.answers = list(answers)
        self.before = before
        self.count = 0

    def run(
        self, job_type: str, params: dict[str, Any], model: object, **how: object
    ) -> FinishedJob[InspectResult]:
        assert (job_type, params, model, how["timeout"]) == (INSPECT_JOB, {}, InspectResult, SETTINGS.job_timeout)
        self.count += 1
        self.before(self.count)
        return inspect_job(self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])


def runner(*answers: Inspection, before: Callable[[int], None] = lambda _count: None) -> JobRunner:
    return cast("JobRunner", FakeJobs(answers, before))


@pytest.fixture(autouse=True)
def time(monkeypatch: pytest.MonkeyPatch, clock: FakeClock) -> FakeClock:
    monkeypatch.setattr(inspecting, "time", SimpleNamespace(monotonic=clock, sleep=clock.sleep))
    return clock


class FakeLake:
    def __init__(self, root: Path) -> None:
        self.hot = root / "hot"
        self.reader = LakeReader(LakePaths(self.hot))
        self.state(replication())
        self.manifest(dict.fromkeys(DATES, "hot"))
        for day in DATES:
            self.file(day, "00", b"12345")
            self.file(day, "07", b"123")

    def state(self, state: Replication) -> None:
        self.write("_state/replication.json", state.model_dump_json().encode())

    def manifest(self, places: dict[str, str]) -> None:
        partitions = ",".join(f'"{day}":{{"location":"{place}"}}' for day, place in places.items())
        self.write(
            "_state/manifest.json", f'{{"datasets":{{"{DATASET}":{{"partitions":{{{partitions}}}}}}}}}'.encode()
        )

    def file(self, day: str, shard: str, content: bytes, name: str = "part-1-0.parquet") -> Path:
        return self.write(f"{DATASET}/date={day}/shard={shard}/{name}", content)

    def write(self, name: str, content: bytes) -> Path:
        path = self.hot / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path


@pytest.fixture
def lake(tmp_path: Path) -> FakeLake:
    return FakeLake(tmp_path)


def as_it_is(lake: FakeLake, **changes: object) -> Inspection:
    shards = {"00": {"parquet_files": 1, "total_bytes": 5}, "07": {"parquet_files": 1, "total_bytes": 3}}
    partitions = {day: {"location": "hot", "shards": shards} for day in DATES}
    found = inspection(partitions, state=lake.reader.replication(), hot_path=f"{lake.hot}/")
    return found.model_copy(update=changes)


def with_partitions(lake: FakeLake, lie: str) -> Inspection:
    document = as_it_is(lake).model_dump(mode="json")
    LIES[lie](document["datasets"][DATASET]["partitions"])
    return Inspection.model_validate(document)


def compare(lake: FakeLake, jobs: JobRunner) -> dict[str, AspectComparison]:
    comparisons = compare_inspections(lake.reader, jobs, SETTINGS)
    assert set(comparisons) == set(INSPECTION_ASPECTS)
    return dict(comparisons)


def differing(comparisons: dict[str, AspectComparison]) -> dict[str, tuple[str, ...]]:
    return {name: found.differences for name, found in comparisons.items() if found.differences}


def test_an_honest_api_differs_in_nothing(lake: FakeLake) -> None:
    comparisons = compare(lake, runner(as_it_is(lake)))
    assert differing(comparisons) == {}
    assert not any(found.warnings for found in comparisons.values())
    assert comparisons["partitions"].compared.startswith("2 of 2 dates")
    assert comparisons["replication"].compared.startswith("15 of 15 keys")


LIES: dict[str, Callable[[dict[str, Any]], object]] = {
    "one more file": lambda dates: dates[DATES[0]]["shards"]["00"].update(parquet_files=2),
    "other bytes": lambda dates: dates[DATES[0]]["shards"]["00"].update(total_bytes=6),
    "one shard less": lambda dates: dates[DATES[0]]["shards"].pop("07"),
    "one date less": lambda dates: dates.pop(DATES[0]),
    "one date more": lambda dates: dates.update({"2026-01-01": {"location": "hot", "shards": {}}}),
    "another place": lambda dates: dates[DATES[0]].update(location="cold"),
}


@pytest.mark.parametrize("lie", LIES)
def test_an_api_that_describes_other_partitions_is_told(lie: str, lake: FakeLake) -> None:
    found = differing(compare(lake, runner(with_partitions(lake, lie))))
    assert found.keys() == {"partitions"}
    assert len(found["partitions"]) == 1


LITTERED: dict[str, Callable[[dict[str, Any]], object]] = {
    "without it": lambda _: None,
    "with it": lambda shards: shards["00"].update(parquet_files=2, total_bytes=5 + 4096),
}


@pytest.mark.parametrize("counted", LITTERED)
def test_an_api_may_count_litter_that_is_named_like_a_file_or_not(counted: str, lake: FakeLake) -> None:
    lake.file(DATES[0], "00", b"x" * 4096, "._part-1-0.parquet")
    document = as_it_is(lake).model_dump(mode="json")
    LITTERED[counted](document["datasets"][DATASET]["partitions"][DATES[0]]["shards"])
    assert differing(compare(lake, runner(Inspection.model_validate(document)))) == {}


@pytest.mark.parametrize("lie", LIES)
def test_beside_litter_an_api_that_describes_other_partitions_is_told(lie: str, lake: FakeLake) -> None:
    lake.file(DATES[0], "07", b"x" * 4096, "._part-1-0.parquet")
    assert differing(compare(lake, runner(with_partitions(lake, lie)))).keys() == {"partitions"}


def test_an_api_that_says_another_replication_state_is_told_key_by_key(lake: FakeLake) -> None:
    other = replication(last_run_row_count=1, last_late_window_hours=1)
    found = differing(compare(lake, runner(as_it_is(lake, replication=other))))
    assert found.keys() == {"replication"}
    assert [difference.split()[0] for difference in found["replication"]] == [
        "last_run_row_count",
        "last_late_window_hours",
    ]


@pytest.mark.parametrize("mark", [WATERMARK - SECOND, WATERMARK + SECOND, None])
def test_an_api_that_says_another_watermark_is_told(mark: object, lake: FakeLake) -> None:
    document = as_it_is(lake).model_dump(mode="json")
    document["datasets"][DATASET]["computed_through_ts"] = mark
    found = differing(compare(lake, runner(Inspection.model_validate(document))))
    assert found.keys() == {"watermark"}


def test_a_date_that_only_the_manifest_names_is_listed_bare_by_both(lake: FakeLake) -> None:
    lake.manifest({**dict.fromkeys(DATES, "hot"), "2026-01-01": "hot"})
    assert differing(compare(lake, runner(with_partitions(lake, "one date more")))) == {}


def test_a_date_that_the_manifest_does_not_name_is_compared_too(lake: FakeLake) -> None:
    lake.file("2026-01-02", "00", b"1")
    found = differing(compare(lake, runner(as_it_is(lake))))
    assert found.keys() == {"partitions"}


def test_what_changes_while_it_is_inspected_is_not_compared(lake: FakeLake) -> None:
    said = as_it_is(lake)

    def write(count: int) -> None:
        lake.file(DATES[1], "00", b"1", f"part-2-{count}.parquet")
        lake.state(replication(computed_through_ts=WATERMARK + count * SECOND, last_run_row_count=count))

    comparisons = compare(lake, runner(said, before=write))
    assert differing(comparisons) == {}
    assert comparisons["partitions"].compared.startswith("1 of 2 dates")
    assert comparisons["replication"].compared.startswith("13 of 15 keys")


def test_a_difference_that_is_gone_at_the_next_look_is_none(lake: FakeLake, time: FakeClock) -> None:
    jobs = FakeJobs([with_partitions(lake, "one date less"), as_it_is(lake)])
    assert differing(compare(lake, cast("JobRunner", jobs))) == {}
    assert (jobs.count, len(time.sleeps)) == (2, 1)


def test_a_difference_that_stays_is_looked_at_three_times(lake: FakeLake) -> None:
    jobs = FakeJobs([with_partitions(lake, "one date less")])
    assert differing(compare(lake, cast("JobRunner", jobs)))
    assert jobs.count == 3


def test_a_lake_at_another_path_is_warned_of_and_no_difference(lake: FakeLake) -> None:
    said = as_it_is(lake, hot_path="/Volumes/lake/hot", cold_path="/Volumes/nas")
    comparisons = compare(lake, runner(said))
    assert differing(comparisons) == {}
    assert ["hot path" in warning for warning in comparisons["paths"].warnings] == [True, False]
    assert "give it by --cold-path" in comparisons["paths"].warnings[1]


# ---- waiting ---------------------------------------------------------------------------------------------------


def test_an_inspection_is_the_jobs_result() -> None:
    assert inspect_by_job(runner(inspection()), SETTINGS) == inspection()


def test_the_first_replication_pass_is_waited_for(time: FakeClock) -> None:
    fresh = inspection(state=Replication())
    assert inspect_when_replicated(runner(fresh, fresh, inspection()), SETTINGS) == inspection()
    assert len(time.sleeps) == 2


def test_a_first_pass_that_never_comes_leaves_the_inspection_to_speak_for_itself(time: FakeClock) -> None:
    fresh = inspection(state=Replication())
    began = time.now
    assert inspect_when_replicated(runner(fresh), SETTINGS) == fresh
    assert 90 <= time.now - began <= 95


def test_manifest_and_state_are_looked_at_again_until_they_agree(time: FakeClock) -> None:
    torn = inspection(state=replication()).model_copy(
        update={"replication": replication(computed_through_ts=WATERMARK + SECOND)}
    )
    assert settled_inspection(runner(torn, inspection()), SETTINGS) == inspection()
    assert len(time.sleeps) == 1
    assert settled_inspection(runner(torn), SETTINGS) == torn


def crowded(files: int) -> Inspection:
    shards = {"00": {"parquet_files": files, "total_bytes": 1}}
    return inspection({"2026-01-01": {"location": "hot", "shards": shards}})


def test_compaction_is_given_its_time() -> None:
    jobs = FakeJobs((crowded(50), crowded(50), crowded(1)), lambda _count: None)
    found = inspect_when_compacted(cast("JobRunner", jobs), SETTINGS, date(2026, 1, 24))
    assert found == crowded(1)
    assert jobs.waits == ["compaction to bring the number of files down"]


def test_shards_that_compaction_does_not_reach_stay_crowded(time: FakeClock) -> None:
    assert inspect_when_compacted(runner(crowded(50)), SETTINGS, date(2026, 1, 24)) == crowded(50)
    assert sum(time.sleeps) >= 150


def test_an_empty_lake_is_not_crowded(time: FakeClock) -> None:
    assert inspect_when_compacted(runner(inspection()), SETTINGS, date(2026, 1, 24)) == inspection()
    assert time.sleeps == []


def test_a_temporary_file_that_is_renamed_before_long_is_not_left(
    lake: FakeLake, time: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = lake.file(DATES[0], "00", b"1", "part-9-0.parquet.tmp")

    def rename(seconds: float) -> None:
        time.sleep(seconds)
        path.rename(path.with_suffix(""))

    monkeypatch.setattr(inspecting, "time", SimpleNamespace(monotonic=time, sleep=rename))
    assert temporary_files_left(lake.reader) == []


def test_a_temporary_file_that_stays_is_left_over_and_one_that_comes_meanwhile_is_not(
    lake: FakeLake, time: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = lake.file(DATES[0], "00", b"1", "part-9-0.parquet.tmp")

    def another(seconds: float) -> None:
        time.sleep(seconds)
        lake.file(DATES[0], "00", b"1", "part-10-0.parquet.tmp")

    monkeypatch.setattr(inspecting, "time", SimpleNamespace(monotonic=time, sleep=another))
    assert temporary_files_left(lake.reader) == [path]
    assert sum(time.sleeps) >= 30


# ---- another lake ----------------------------------------------------------------------------------------------


def judged(comparison: AspectComparison) -> None:
    check_aspect(comparison, Check(cast("ValidationRun", None)))


@pytest.mark.parametrize("lie", LIES)
def test_what_differs_from_a_lake_elsewhere_is_no_evidence_against_the_controller(
    lie: str, lake: FakeLake
) -> None:
    said = with_partitions(lake, lie).model_copy(update={"hot_path": "/Volumes/lake/hot"})
    comparisons = compare(lake, runner(said))
    with pytest.raises(ElsewhereError) as caught:
        judged(comparisons["partitions"])
    assert "This may be another lake: the API's hot path is /Volumes/lake/hot, ours is " in caught.value.message
    assert "The API and the files differ: date=" in caught.value.message
    assert "--hot-path" in caught.value.advice
    judged(comparisons["paths"])


@pytest.mark.parametrize("lie", LIES)
def test_what_differs_from_the_very_lake_is_evidence(lie: str, lake: FakeLake) -> None:
    with pytest.raises(PromiseBrokenError, match="The API and the files differ"):
        judged(compare(lake, runner(with_partitions(lake, lie)))["partitions"])


def test_a_cold_directory_that_the_controller_does_not_have_is_told(lake: FakeLake) -> None:
    lake.reader = LakeReader(LakePaths(lake.hot, lake.hot.parent / "cold"))
    (warning,) = compare(lake, runner(as_it_is(lake)))["paths"].warnings
    assert "the API's cold path is not set, ours is " in warning


@pytest.mark.parametrize("lie", LIES)
def test_a_lake_that_was_found_is_evidence_neither(lie: str, lake: FakeLake) -> None:
    lake.reader = LakeReader(LakePaths(lake.hot, found=True))
    with pytest.raises(ElsewhereError, match="was found here, not given"):
        judged(compare(lake, runner(with_partitions(lake, lie)))["partitions"])


def test_a_lake_that_was_found_must_be_where_the_controller_says(lake: FakeLake) -> None:
    lake.reader = LakeReader(LakePaths(lake.hot, found=True))
    comparisons = compare(lake, runner(as_it_is(lake, hot_path="/Volumes/lake/hot")))
    with pytest.raises(ElsewhereError, match="This may be another lake"):
        judged(comparisons["paths"])
    judged(compare(lake, runner(as_it_is(lake)))["paths"])
