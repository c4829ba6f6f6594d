"""What samples prove of the time between them: proven time, gaps, breaches and retreats, in constant memory."""

import gc
import math
import tracemalloc
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsse_validation.domain.soak_tally import (
    Retreat,
    SoakFigures,
    SoakTally,
    Told,
    TooOld,
    UnprovenTime,
    WatermarkLook,
)

T0 = datetime(2026, 3, 8, tzinfo=UTC)
LIMIT = 420.0


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def look(seconds: float, age: float | None, *, slept: float = 0.0, before: float = 0.0) -> WatermarkLook:
    """Return a look so many seconds after the start, of which `before` and `slept` were slept."""
    mark = None if age is None else at(seconds - age)
    return WatermarkLook(at(seconds), seconds - slept - before, mark, slept=slept)


@dataclass
class Folded:
    tally: SoakTally
    told: list[Told]

    @property
    def figures(self) -> SoakFigures:
        return self.tally.figures

    def of(self, kind: type) -> list[Told]:
        return [one for one in self.told if isinstance(one, kind)]


def folded(looks: Iterable[WatermarkLook], end: float | None = None, awake: float | None = None) -> Folded:
    tally = SoakTally(LIMIT, T0, 0.0)
    told = [one for each in looks for one in tally.take(each)]
    if end is not None:
        told += tally.close(at(end), end if awake is None else awake)
    return Folded(tally, told)


def test_a_steady_watermark_proves_all_of_the_time() -> None:
    found = folded((look(second, 90 + second % 60) for second in range(0, 601, 10)), end=600)
    assert not found.told
    figures = found.figures
    assert (figures.seconds, figures.proven, figures.samples, figures.longest_gap) == (600, 600, 61, 10)
    assert (figures.age_max, figures.percentile(0.5), figures.percentile(1)) == (140, 110, 140)


def test_the_time_between_two_samples_is_proven_up_to_the_limit_and_not_a_microsecond_beyond() -> None:
    """The age at the end of the time, of the watermark at its beginning, is what counts."""
    assert folded([look(0, 100), look(320, 90)]).figures.proven == 320
    beyond = folded([look(0, 100.000001), look(320, 90), look(330, 90)])
    assert beyond.figures.proven == 10
    (gap,) = beyond.told
    assert gap == UnprovenTime(T0, at(320), "waited", 420.000001)


def test_time_before_the_first_sample_is_no_proof() -> None:
    found = folded([look(60, 10), look(70, 10)])
    assert found.figures.proven == 10
    (gap,) = found.of(UnprovenTime)
    assert isinstance(gap, UnprovenTime)
    assert (gap.start, gap.end, gap.age_at_most) == (T0, at(60), None)


def test_a_sample_beyond_the_limit_is_a_breach_from_there_to_the_first_that_is_not() -> None:
    ages = [405, 415, 425, 435, 430, 90, 90]
    found = folded([look(index * 10, age) for index, age in enumerate(ages)], end=60)
    begun, ended = found.of(TooOld)
    assert begun == TooOld(at(20), None, 425, at(20))
    assert ended == TooOld(at(20), at(50), 435, at(30))
    assert (found.figures.breaches, found.figures.age_max, found.figures.age_max_at) == (1, 435, at(30))
    # the time of a breach is no proof, and no gap either; when it began is known to the sample
    assert found.figures.proven == 20
    assert found.of(UnprovenTime) == [UnprovenTime(at(10), at(20), "waited", 425)]


def test_a_breach_that_lasts_to_the_end_is_told_there_without_an_end() -> None:
    found = folded([look(0, 90), look(10, 500), look(20, 510)], end=30)
    assert found.told[-1] == TooOld(at(10), None, 510, at(20))
    assert found.tally.in_breach


def test_a_machine_that_slept_has_a_gap_and_no_breach_until_the_controller_had_its_time() -> None:
    """An hour of sleep on the controller's own machine, which catches up within a minute."""
    hour = 3600.0
    asleep = [look(0, 90), look(10, 90), look(10 + hour, hour + 80, slept=hour - 10)]
    after = [look(20 + hour, hour + 90, before=hour - 10), look(30 + hour, 80, before=hour - 10)]
    found = folded([*asleep, *after, look(40 + hour, 90, before=hour - 10)])
    (gap,) = found.told
    assert isinstance(gap, UnprovenTime)
    assert (gap.start, gap.end, gap.why) == (at(10), at(30 + hour), "asleep")
    assert (found.figures.breaches, found.figures.proven, found.figures.age_max) == (0, 20, 90)
    assert found.figures.longest_gap == hour


def test_a_controller_that_does_not_catch_up_after_a_sleep_is_a_breach_once_it_had_its_time() -> None:
    hour = 3600.0
    looks = [look(0, 90), look(hour, hour + 90, slept=hour - 10)]
    looks += [look(hour + s, hour + 90 + s, before=hour - 10) for s in range(10, 500, 10)]
    found = folded(looks)
    (breach,) = found.of(TooOld)
    assert isinstance(breach, TooOld)
    assert breach.start == at(hour + LIMIT)


def test_a_short_sleep_over_which_the_limit_holds_is_proven_all_the_same() -> None:
    assert folded([look(0, 90), look(200, 80, slept=180), look(210, 80, before=180)]).figures.proven == 210


def test_a_breach_that_began_before_a_sleep_goes_on() -> None:
    found = folded([look(0, 500), look(100, 600, slept=90), look(110, 90, before=90)])
    assert [one for one in found.of(TooOld) if isinstance(one, TooOld) and one.end] == [
        TooOld(T0, at(110), 600, at(100))
    ]


def test_an_outage_is_a_gap_that_says_why() -> None:
    tally = SoakTally(LIMIT, T0, 0.0)
    told = list(tally.take(look(0, 90)))
    tally.missed("core-server refuses the connection.")
    told += tally.take(look(400, 60))
    told += tally.take(look(410, 60))
    assert told == [UnprovenTime(T0, at(400), "unanswered", 490, "core-server refuses the connection.")]


def test_a_watermark_that_goes_back_or_is_not_set_any_more_is_told_once_for_each_step() -> None:
    marks = [at(-90), at(-200), at(-200), None, None, at(-150), at(-300)]
    looks = [WatermarkLook(at(10 * index), 10.0 * index, mark) for index, mark in enumerate(marks)]
    found = folded(looks)
    assert found.of(Retreat) == [
        Retreat(at(10), at(-90), at(-200)),
        Retreat(at(30), at(-200), None),
        Retreat(at(60), at(-150), at(-300)),
    ]
    assert found.figures.retreats == 3
    # neither the time in which it went back, nor that in which it was not set
    assert found.figures.proven == 10


@pytest.mark.parametrize(
    ("completed", "target", "counted"),
    [
        (at(8), at(-90), 0),  # the contract sets the watermark to the backfill's target
        (at(8), at(-60), 1),  # lower than that target: no backfill has set it
        (at(-500), at(-90), 1),  # the backfill that was known before
        (None, None, 1),
    ],
)
def test_only_a_new_backfill_may_set_the_watermark_back_to_its_target(
    completed: datetime | None, target: datetime | None, counted: int
) -> None:
    before = WatermarkLook(at(0), 0.0, at(-40), backfilled=at(-500), backfilled_to=at(-600))
    after = WatermarkLook(at(10), 10.0, at(-90), backfilled=completed, backfilled_to=target)
    found = folded([before, after, look(20, 80)])
    assert [one for one in found.told if isinstance(one, Retreat)] == [
        Retreat(at(10), at(-40), at(-90), by_backfill=not counted)
    ]
    assert found.figures.retreats == counted
    # in the time in which it was set back, nobody knows how old it was
    assert found.figures.proven == 10


def test_a_watermark_ahead_of_the_clock_proves_nothing() -> None:
    found = folded([look(0, -2.5), look(10, 7.5), look(20, 17.5)])
    assert found.figures.proven == 10
    assert found.told == [UnprovenTime(T0, at(10), "unanswered", None, "the watermark lay ahead")]


def test_a_controllers_clock_that_is_set_back_proves_no_more_than_ours_shows() -> None:
    looks = [
        WatermarkLook(at(0), 0.0, at(-300)),
        WatermarkLook(at(-3_400), 200.0, at(-3_500)),
    ]
    assert folded(looks).figures.proven == 0


def test_what_an_earlier_soak_rests_on_is_gone_on_with() -> None:
    earlier = folded([look(0, 90), look(10, 500), look(20, 80)], end=20).figures
    tally = SoakTally(LIMIT, at(1000), 5.0, earlier)
    assert not list(tally.take(WatermarkLook(at(1000), 5.0, at(940))))
    assert not list(tally.take(WatermarkLook(at(1010), 15.0, at(940))))
    figures = tally.figures
    assert (figures.seconds, figures.proven, figures.samples) == (10, earlier.proven + 10, 5)
    assert (figures.breaches, figures.age_max, sum(figures.ages.values())) == (1, 500, 5)


AGES = st.lists(st.floats(0, 2_000_000, allow_nan=False), min_size=1, max_size=200)


@given(AGES, st.sampled_from([0.5, 0.95, 0.99, 1.0]))
def test_a_percentile_is_never_below_the_true_one_and_never_beyond_the_most(
    ages: Sequence[float], share: float
) -> None:
    found = folded(look(index, age) for index, age in enumerate(ages)).figures
    true = sorted(ages)[math.ceil(share * len(ages)) - 1]
    said = found.percentile(share)
    assert said is not None
    # an instant has microseconds
    assert true - 1e-5 <= said <= max(ages) + 1e-5
    assert said <= max(math.ceil(true), 1.05 * true + 1) + 1e-5 or true > 86_400


@given(
    st.lists(
        st.tuples(
            st.floats(0.1, 500), st.one_of(st.none(), st.floats(0, 900)), st.sampled_from([0.0, 0.0, 3_000.0])
        ),
        max_size=60,
    )
)
def test_time_is_proven_told_as_a_gap_or_a_breach_and_never_twice(
    steps: list[tuple[float, float | None, float]],
) -> None:
    now, slept_before, looks = 0.0, 0.0, [look(0, 90)]
    for pause, age, slept in steps:
        now += pause + slept
        looks.append(look(now, age, slept=slept, before=slept_before))
        slept_before += slept
    found = folded(looks, end=now, awake=now - slept_before)
    figures = found.figures
    assert figures.seconds == pytest.approx(now)
    gaps = [one for one in found.told if isinstance(one, UnprovenTime)]
    ends = {one.start: one for one in found.told if isinstance(one, TooOld)}
    breaches = sum(((one.end or at(now)) - one.start).total_seconds() for one in ends.values())
    told = sum((gap.end - gap.start).total_seconds() for gap in gaps)
    # gaps of less than a second are not told
    assert figures.proven + told + breaches <= now + 1e-3
    assert figures.proven + told + breaches >= now - len(steps) - 1e-3
    assert all(one.end <= later.start for one, later in pairwise(gaps))
    assert figures.breaches == len(ends)


def test_a_hundred_thousand_samples_take_no_more_memory_than_a_thousand() -> None:
    tally = SoakTally(LIMIT, T0, 0.0)

    def take(first: int, last: int) -> int:
        for number in range(first, last):
            for _ in tally.take(look(number * 10.0, float(number * 7919 % 700))):
                pass
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        few = take(0, 1_000)
        many = take(1_000, 101_000)
    finally:
        tracemalloc.stop()
    assert tally.figures.samples == 101_000
    assert many - few < 100_000
