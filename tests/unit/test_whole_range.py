"""All sensors over the whole range, by a job that counts a model of Postgres and lake as the contract has it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.support.builders import a_job, parity_result, replication
from tsse_validation.clients.jobs import FinishedJob, JobRunner
from tsse_validation.clients.watch import ReplicationWatch
from tsse_validation.domain.contract import InspectedDataset, Job, ParityResult
from tsse_validation.domain.errors import DeadlineError, NotCheckedError
from tsse_validation.domain.instants import DAY, MICROSECOND, parse_rfc3339
from tsse_validation.domain.windows import Window
from tsse_validation.lake.shards import shard_of
from tsse_validation.parity.count_rules import (
    JobCount,
    OwnCount,
    ShardDays,
    Standing,
    added_up,
    cannot_be_named,
    judged,
    unlike_ours,
)
from tsse_validation.parity.job_counts import ALL_SENSORS, ParityJobs
from tsse_validation.parity.settling import ByCountingAgain
from tsse_validation.parity.whole_range import (
    MOST_GROWTH,
    OFF_THE_CLOCK,
    Census,
    RangeCount,
    RangeCounter,
    SlicePlan,
)

END = datetime(2026, 3, 1, 9, 30, 17, 358_904, tzinfo=UTC)
COVERED = Window(END - timedelta(days=90), END)
SENSORS = ("a", "b", "c")
NUMBERS = st.integers(0, 20)


@dataclass
class World:
    """Rows of Postgres and of the lake by sensor, and the files of each shard-day; jobs count it by the contract.

    A job takes `seconds` for each day that it counts.
    """

    postgres: dict[str, list[datetime]]
    lake: dict[str, list[datetime]]
    several: set[tuple[str, date]] = field(default_factory=set)
    seconds: float = 0.1
    timeout: float = 300.0
    posts: int = 60
    watermark: datetime = END + DAY
    """As of the second job: the first sees the end of all."""
    asked: list[dict[str, Any]] = field(default_factory=list)
    canceled: int = 0

    @property
    def core(self) -> Any:
        spent = len(self.asked)
        return SimpleNamespace(budget=SimpleNamespace(available=lambda: self.posts - spent, spent=spent))

    def run(self, _type: str, params: dict[str, Any], _model: object, **how: Any) -> FinishedJob[ParityResult]:
        self.asked.append(params)
        window = Window(parse_rfc3339(params["start"]), parse_rfc3339(params["end"]))
        assert window.start < window.end, "the job wants an end after its start"
        how["on_job"](a_job("lake_parity_check_v1", status="running"))
        seconds = self.seconds * ((window.end - window.start) / DAY)
        if seconds > how["timeout"]:
            raise DeadlineError("It was left running.")
        further = Window(window.start, window.end + MICROSECOND)
        wanted = sorted({sensor.strip() for sensor in params["sensor_ids"]}) or sorted(self.postgres)
        counts = {
            sensor: (
                sum(row in window for row in self.postgres.get(sensor, ())),
                sum(row in further for row in self.lake.get(sensor, ())),
            )
            for sensor in wanted
        }
        checked = Window(window.start, window.end if len(self.asked) == 1 else min(window.end, self.watermark))
        result = parity_result(counts, window_checked=checked, window_requested=window)
        return FinishedJob(a_job("lake_parity_check_v1", at=END), result, (), (), seconds)

    def cancel(self, job: Job, *, timeout: float) -> Job:
        assert timeout
        self.canceled += 1
        return job.model_copy(update={"status": "canceled"})

    def inspected(self) -> InspectedDataset:
        days: dict[date, dict[str, Any]] = {}
        for sensor in self.lake:
            for row in self.lake[sensor]:
                shards = days.setdefault(row.date(), {"location": "hot", "shards": {}})["shards"]
                shards[shard_of(sensor, 16)] = {"parquet_files": 1, "total_bytes": 1}
        for sensor, day in self.several:
            days[day]["shards"][shard_of(sensor, 16)]["parquet_files"] = 2
        return InspectedDataset.model_validate({"partitions": days})

    def count(self, *sensors: str, covered: Window = COVERED) -> RangeCount:
        counter = ParityJobs(cast("JobRunner", self), self.timeout)
        ahead = replication(computed_through_ts=END + timedelta(days=1))
        watch = ReplicationWatch(lambda: ahead, pause=0, sleep=lambda _: None)
        again = ByCountingAgain(counter, watch, self.inspected, shards=16, settle_timeout=1.0, posts_kept=15)
        self.pauses: list[float] = []
        ranging = RangeCounter(counter, again, sleep=self.pauses.append)
        return ranging.count(covered, Census.of(sensors), purpose="parity")


def hourly(*sensors: str) -> dict[str, list[datetime]]:
    """Return rows at every third hour of the range, and on both sides of some midnights."""
    first = COVERED.start.replace(hour=0, minute=0, second=0, microsecond=0) + DAY
    every = [first + hours * timedelta(hours=3) for hours in range(88 * 8)]
    beside = [first + days * DAY + by * MICROSECOND for days in range(1, 80, 7) for by in (-1, 1)]
    return {sensor: sorted([*every, *beside]) for sensor in sensors}


def sound(**more: Any) -> World:
    rows = hourly(*SENSORS)
    return World(rows, {sensor: list(rows[sensor]) for sensor in rows}, **more)


def test_a_sound_lake_takes_a_handful_of_jobs_and_each_row_counts_once() -> None:
    world = sound()
    counted = world.count()
    assert counted.rows == sum(map(len, world.postgres.values()))
    assert (counted.window, counted.explained.lost, counted.explained.surplus) == (COVERED, (), 0)
    assert counted.posts == len(counted.slices) == len(world.asked) <= 4
    assert len(world.pauses) == len(counted.slices) - 1


def test_the_first_job_lists_all_sensors_and_the_others_name_them() -> None:
    world = sound()
    world.count()
    first, *others = world.asked
    assert (first["sensor_ids"], first["sample"]) == ([], ALL_SENSORS)
    assert {(*ask["sensor_ids"],) for ask in others} == {SENSORS}


def test_sensors_that_are_known_are_named_deleted_ones_too() -> None:
    world = sound()
    counted = world.count("a", "b", "c", "deleted")
    assert world.asked[0]["sensor_ids"] == ["a", "b", "c", "deleted"]
    assert JobCount("deleted", 0, 0) in counted.counts


@pytest.mark.parametrize("named", [(" pump 7 ", *SENSORS), ()], ids=["known", "listed"])
def test_an_id_that_the_job_would_trim_is_not_counted_and_named_as_such(named: tuple[str, ...]) -> None:
    world = sound()
    world.postgres[" pump 7 "] = [END - DAY] * 2
    counted = world.count(*named)
    assert counted.census.unnameable == (" pump 7 ",)
    assert [count.sensor_id for count in counted.counts] == [*SENSORS]
    assert counted.explained.lost == ()
    assert not any(" pump 7 " in ask["sensor_ids"] for ask in world.asked)


@pytest.mark.parametrize("ago", [0, 1, 40, 89])
def test_a_lost_row_is_found_on_any_day(ago: int) -> None:
    world = sound()
    lost = world.lake["b"].pop(-1 - 8 * ago if ago < 88 else 0)
    (part,) = world.count().explained.lost
    assert lost in part.window
    assert [(count.sensor_id, count.postgres - count.lake) for count in part.counts] == [("b", 1)]


def test_a_whole_sensor_is_found_that_no_sample_would_have() -> None:
    rows = hourly(*(f"s{number:02d}" for number in range(30)))
    world = World(rows, {**rows, "s29": []})
    assert {sensor for part in world.count().explained.lost for sensor in part.sensor_ids} == {"s29"}


def doubled(world: World, sensor: str, day: date, *, several: bool) -> None:
    """Let a day's rows stand twice: in two files, or in one."""
    world.lake[sensor] += [row for row in world.lake[sensor] if row.date() == day]
    if several:
        world.several.add((sensor, day))


def test_copies_in_several_files_are_told_and_no_fault() -> None:
    world = sound()
    doubled(world, "a", END.date() - 50 * DAY, several=True)
    explained = world.count().explained
    assert (explained.lost, explained.surplus, explained.late) == ((), 8, frozenset())


def test_a_row_twice_in_one_file_is_found_though_another_date_of_the_slice_has_several() -> None:
    world = sound()
    world.several.add(("a", END.date() - 20 * DAY))
    doubled(world, "a", END.date() - 50 * DAY, several=False)
    lost = world.count().explained.lost
    assert [part.sensor_ids for part in lost] == [["a"]]
    assert END.date() - 20 * DAY not in set(lost[0].window.days()), "narrowed down to where no copy can be"


def test_without_posts_a_surplus_is_not_narrowed_down() -> None:
    world = sound(posts=15)
    world.several.add(("a", END.date() - 20 * DAY))
    doubled(world, "a", END.date() - 50 * DAY, several=False)
    explained = world.count().explained
    assert (explained.lost, explained.surplus) == ((), 8)


def test_a_row_at_the_microsecond_behind_a_slice_is_none_of_its_rows() -> None:
    edges = [part.end + MICROSECOND for part in sound().count().slices[1:]]
    assert edges
    world = sound()
    for sensor in SENSORS:
        world.postgres[sensor] += edges
        world.lake[sensor] += edges
    explained = world.count().explained
    assert (explained.lost, explained.unsettled, explained.surplus) == ((), (), 0)


@st.composite
def _worlds(draw: st.DrawFn) -> World:
    """Draw a sound lake: rows anywhere, at the slices' edges too, and copies where there are several files."""
    at = st.integers(0, int((COVERED.end - COVERED.start) / MICROSECOND)).map(
        lambda micros: COVERED.start + micros * MICROSECOND
    )
    days = st.integers(0, 89).map(lambda ago: END - ago * DAY - OFF_THE_CLOCK)
    near = st.integers(-2, 2).map(lambda by: by * MICROSECOND)
    midnight = days.map(lambda day: day.replace(hour=0, minute=0, second=0, microsecond=0))
    edges = st.tuples(st.one_of(days, midnight), near).map(sum_of)
    instants = st.lists(st.one_of(at, edges).filter(lambda ts: ts in COVERED), unique=True, max_size=12)
    rows = {sensor: draw(instants) for sensor in SENSORS}
    world = World(rows, {sensor: list(rows[sensor]) for sensor in rows})
    for sensor in SENSORS:
        for row in draw(st.lists(st.sampled_from(rows[sensor]), max_size=3)) if rows[sensor] else ():
            world.lake[sensor].append(row)
            world.several.add((sensor, row.date()))
    return world


def sum_of(parts: tuple[datetime, timedelta]) -> datetime:
    return parts[0] + parts[1]


@given(_worlds())
def test_a_sound_lake_is_never_accused(world: World) -> None:
    explained = world.count().explained
    copies = sum(len(world.lake[sensor]) - len(world.postgres[sensor]) for sensor in SENSORS)
    assert (explained.lost, explained.unsettled) == ((), ())
    assert explained.surplus == copies


@given(_worlds(), st.data())
def test_a_lost_row_is_never_passed_over_where_nothing_is_doubled(world: World, data: st.DataObject) -> None:
    sensor = data.draw(st.sampled_from(SENSORS))
    assume(world.postgres[sensor] and not any(of == sensor for of, _ in world.several))
    edges = {part.end + MICROSECOND for part in world.count().slices}
    assume(edges.isdisjoint(world.lake[sensor]))  # no clock ticks there: see OFF_THE_CLOCK
    world.lake[sensor].remove(data.draw(st.sampled_from(world.lake[sensor])))
    lost = world.count().explained.lost
    assert {of for part in lost for of in part.sensor_ids} == {sensor}


# ---- slices ----------------------------------------------------------------------------------------------------


def cut(window: Window, seconds: float) -> Iterator[Window]:
    plan = SlicePlan(window)
    while (part := plan.slice()) is not None:
        yield part
        plan.took(part, seconds * ((part.end - part.start) / DAY))


@given(st.integers(2, 400 * 24 * 3600), st.floats(1e-4, 50))
def test_slices_are_the_window_once(length: int, seconds_a_day: float) -> None:
    window = Window(END - timedelta(seconds=length), END)
    parts = list(cut(window, seconds_a_day))
    assert (parts[0].end, parts[-1].start) == (window.end, window.start)
    assert all(later.start - earlier.end == MICROSECOND for later, earlier in pairwise(parts))
    assert all(part.start < part.end for part in parts)


@pytest.mark.parametrize(("a_day", "most"), [(0.01, 3), (0.2, 3), (3.0, 12), (30.0, 91)])
def test_slices_grow_as_long_as_they_are_quick_and_not_too_fast(a_day: float, most: int) -> None:
    parts = list(cut(COVERED, a_day))
    assert len(parts) <= most
    assert parts[0].end - parts[0].start <= DAY + OFF_THE_CLOCK
    lengths = [part.end - part.start for part in parts]
    assert all(later <= earlier * MOST_GROWTH * 1.3 for earlier, later in pairwise(lengths))


def test_a_slice_that_takes_too_long_is_canceled_and_cut_in_halves() -> None:
    world = sound(seconds=400.0)
    counted = world.count(covered=Window(END - 2 * DAY, END))
    assert world.canceled
    assert counted.window == Window(END - 2 * DAY, END)
    assert counted.rows == 3 * sum(row > END - 2 * DAY for row in world.postgres["a"])


def test_a_controller_that_cannot_count_an_hour_in_time_is_told() -> None:
    with pytest.raises(DeadlineError):
        sound(seconds=1e6).count()


def test_pauses_grow_with_what_a_slice_takes_up_to_a_limit() -> None:
    world = sound(seconds=25.0)
    world.count()
    assert world.pauses[0] == pytest.approx(10.0)


# ---- rules -----------------------------------------------------------------------------------------------------


@given(held=NUMBERS, late=NUMBERS, later=NUMBERS, taken=NUMBERS, copies=NUMBERS)
def test_late_rows_and_copies_alone_never_speak_against_the_lake(
    held: int, late: int, later: int, taken: int, copies: int
) -> None:
    # at the second count the lake has all of the first, any part of what came in between, and copies
    assume(taken <= later)
    seen = held + late
    now = JobCount("a", seen + later, seen + taken + copies)
    assert not judged(seen, now, copies_possible=copies > 0).speaks_against_the_lake


@given(total=NUMBERS, lost=st.integers(1, 20), later=NUMBERS, copies=st.booleans())
def test_a_lost_row_speaks_against_it_while_nothing_new_arrives(
    total: int, lost: int, later: int, copies: bool
) -> None:
    now = JobCount("a", total + lost + later, total)
    assert judged(total + lost, now, copies_possible=copies) is Standing.LOST


@given(postgres=NUMBERS, extra=st.integers(1, 20))
def test_more_rows_than_postgres_has_are_a_surplus_where_no_copy_can_be(postgres: int, extra: int) -> None:
    now = JobCount("a", postgres, postgres + extra)
    assert judged(postgres, now, copies_possible=False) is Standing.SURPLUS
    assert judged(postgres, now, copies_possible=True) is Standing.COPIES


@given(due=NUMBERS, late=NUMBERS, copies=NUMBERS, pg=NUMBERS, lake=NUMBERS)
def test_the_job_may_count_what_is_not_due_and_copies_and_nothing_else(
    due: int, late: int, copies: int, pg: int, lake: int
) -> None:
    told = unlike_ours(JobCount("a", pg, lake), OwnCount(due, late, due, rows=due + copies))
    assert len(told) == (pg not in range(due, due + late + 1)) + (
        lake not in range(due, due + max(late, copies) + 1)
    )


def test_each_count_of_the_job_that_cannot_be_right_is_told() -> None:
    assert unlike_ours(JobCount("a", 11, 9), OwnCount(10, 0, 10, rows=12)) == [
        "a in Postgres: the job says 11, we find 10",
        "a in lake: the job says 9, we find 10 to 12",
    ]


def test_ids_that_begin_or_end_with_a_blank_cannot_be_named() -> None:
    assert cannot_be_named(["a", " a", "a\n", "a b", "", "\u00a0x"]) == ["", " a", "a\n", "\u00a0x"]


def test_counts_of_several_windows_add_up_by_sensor() -> None:
    assert added_up([[JobCount("a", 1, 2), JobCount("b", 1, 1)], [JobCount("a", 10, 10)]]) == {
        "a": JobCount("a", 11, 12),
        "b": JobCount("b", 1, 1),
    }


@given(st.sets(st.integers(0, 9)))
def test_the_parts_without_copies_are_all_other_dates_the_longest_first(crowded: set[int]) -> None:
    first = datetime(2026, 1, 1, tzinfo=UTC)
    window = Window(first, first + 10 * DAY - MICROSECOND)
    files: Mapping[tuple[date, str], int] = {
        ((first + day * DAY).date(), shard_of("a", 16)): 2 if day in crowded else 1 for day in range(10)
    }
    runs = ShardDays(16, files).single_file_runs(["a", "c"], window)
    assert {(day - first.date()).days for run in runs for day in run.days()} == set(range(10)) - crowded
    lengths = [run.end - run.start for run in runs]
    assert lengths == sorted(lengths, reverse=True)


def test_what_an_earlier_inspection_saw_is_not_forgotten() -> None:
    world = sound()
    day = world.lake["a"][0].date()
    doubled(world, "a", day, several=True)
    before = ShardDays(16).and_seen(world.inspected())
    world.several.clear()
    assert before.and_seen(world.inspected()).several("a", day)
    assert not ShardDays(16).and_seen(world.inspected()).several("a", day)


def test_a_slice_of_which_the_job_leaves_a_part_out_is_not_taken_for_counted() -> None:
    rows = {"a": [END - 40 * DAY]}
    world = World(rows, rows, watermark=END - 3 * DAY)
    with pytest.raises(NotCheckedError, match="counted up to"):
        world.count()
