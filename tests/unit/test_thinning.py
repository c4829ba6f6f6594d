"""A soak's records become fewer, and what they say in sum stays."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tsse_validation.runlog.record_base import Record
from tsse_validation.runlog.records import Note
from tsse_validation.runlog.soak_records import SoakFiles, SoakSample, SoakSeen, SoakSlice
from tsse_validation.runlog.thinning import THINNED, thinned

START = datetime(2026, 1, 24, tzinfo=UTC)
LIMIT = 420.0


def sample(number: int, age: float | None, stands_for: int = 1) -> SoakSample:
    at = START + timedelta(seconds=10 * number)
    return SoakSample(
        at=at,
        source="state_file",
        watermark=None if age is None else at - timedelta(seconds=age),
        age_seconds=age,
        backlog_seconds=60.0,
        stands_for=stands_for,
    )


def due(number: int, *, differing: int = 0, missed: bool = False, kind: str = "due") -> SoakSlice:
    through = START + timedelta(minutes=number)
    return SoakSlice.model_validate(
        {
            "at": through,
            "kind": kind,
            "since": through - timedelta(minutes=0 if missed else 16),
            "through": through,
            "rows": 160,
            "new_rows": 10,
            "sensors": number % 7,
            "differing": differing,
            "seconds": 0.5,
        }
    )


def files(number: int, most: int, temporary: int | None) -> SoakFiles:
    at = START + timedelta(hours=number)
    return SoakFiles(at=at, files=100 + most, most_in_a_shard_day=most, temporary=temporary)


def seen(number: int) -> SoakSeen:
    nothing: dict[str, object] = dict.fromkeys(
        ("age_max_seconds", "age_max_at", "age_p50_seconds", "age_p95_seconds", "age_p99_seconds"), None
    )
    numbers = dict.fromkeys(("longest_gap_seconds", "breaches", "rows_proven", "slices", "old_days"), 0)
    return SoakSeen.model_validate(
        nothing
        | numbers
        | {"at": START, "asked_seconds": 9, "seconds": number, "proven_seconds": number, "samples": number}
        | {"backlog_max_seconds": None}
    )


ages = st.one_of(st.none(), st.floats(-5, 1_000))
soak_records = st.lists(
    st.one_of(
        st.builds(lambda age, count: ("sample", age, count), ages, st.integers(1, 50)),
        st.builds(lambda differing, missed: ("due", differing, missed), st.integers(0, 1), st.booleans()),
        st.just(("old_day",)),
        st.builds(lambda most, temporary: ("files", most, temporary), st.integers(0, 30), st.integers(0, 3)),
        st.just(("seen",)),
        st.just(("note",)),
    ),
    max_size=120,
)


def made(described: Sequence[tuple[object, ...]]) -> list[Record]:
    makers = {
        "sample": sample,
        "due": lambda number, differing, missed: due(number, differing=differing, missed=missed),
        "old_day": lambda number: due(number, kind="old_day"),
        "files": files,
        "seen": seen,
        "note": lambda number: Note(text=str(number)),
    }
    return [makers[str(kind)](number, *rest) for number, (kind, *rest) in enumerate(described)]  # type: ignore[operator]


def what_it_says(records: Sequence[Record]) -> tuple[object, ...]:
    """Return what no thinning may change."""
    samples = [one for one in records if isinstance(one, SoakSample)]
    slices = [one for one in records if isinstance(one, SoakSlice)]
    looks = [one for one in records if isinstance(one, SoakFiles)]
    aged = [one for one in samples if one.age_seconds is not None]
    return (
        sum(one.stands_for for one in samples),
        max(((one.age_seconds, one.at) for one in aged), key=lambda pair: pair[0] or 0, default=None),
        (samples[:1] and samples[0].at, samples[-1:] and samples[-1].at),
        *(
            (
                sum(one.stands_for for one in slices if one.kind == kind),
                sum(one.rows for one in slices if one.kind == kind),
                sum(one.new_rows for one in slices if one.kind == kind),
                sum(one.seconds for one in slices if one.kind == kind),
                max((one.through for one in slices if one.kind == kind), default=None),
            )
            for kind in ("due", "old_day")
        ),
        [one for one in slices if one.differing],
        max((one.most_in_a_shard_day for one in looks), default=None),
        max((one.temporary or 0 for one in looks), default=None),
        looks[-1:],
        [one for one in records if isinstance(one, SoakSeen)][-1:],
        [one for one in records if not isinstance(one, THINNED)],
    )


@given(soak_records, st.integers(8, 60), st.integers(1, 4))
def test_what_the_records_say_in_sum_is_the_same_however_often_they_are_thinned(
    described: list[tuple[object, ...]], most: int, times: int
) -> None:
    records = made(described)
    before = what_it_says(records)
    for _ in range(times):
        records = [one for one in thinned(records, most, LIMIT) if one is not None]
    assert what_it_says(records) == before


@given(soak_records, st.integers(8, 60))
def test_what_stays_is_where_it_was_and_is_a_sample_that_was_taken(
    described: list[tuple[object, ...]], most: int
) -> None:
    records = made(described)
    for before, after in zip(records, thinned(records, most, LIMIT), strict=True):
        if isinstance(before, SoakSample) and after is not None:
            assert isinstance(after, SoakSample)
            assert after.stands_for >= before.stands_for
            assert after == before.model_copy(update={"stands_for": after.stands_for})
        elif after is not None:
            assert type(after) is type(before)


@given(st.lists(ages, min_size=400, max_size=600))
def test_samples_become_as_few_as_they_may_be(of_samples: list[float | None]) -> None:
    records = [sample(number, age) for number, age in enumerate(of_samples)]
    assert sum(one is not None for one in thinned(records, 200, LIMIT)) <= 200


def test_every_sample_beyond_the_limit_stays_while_they_are_few() -> None:
    records = [sample(number, 500.0 + number if number % 100 == 7 else 70.0) for number in range(4_000)]
    kept = [one for one in thinned(records, 1_000, LIMIT) if isinstance(one, SoakSample)]
    assert [one.age_seconds for one in kept if (one.age_seconds or 0) > LIMIT] == [
        500.0 + number for number in range(7, 4_000, 100)
    ]
    assert len(kept) < 500


def test_of_each_group_the_oldest_and_the_youngest_stay() -> None:
    records = [sample(number, 100.0 + number % 50) for number in range(3_000)]
    kept = [one for one in thinned(records, 1_000, LIMIT) if isinstance(one, SoakSample)]
    of_ages = {one.age_seconds for one in kept}
    assert {100.0, 149.0} <= of_ages
    # each of the groups has samples, so that no time is without a point
    pauses = [(after.at - one.at).total_seconds() for one, after in pairwise(kept)]
    assert max(pauses) < 10 * 3_000 / 60


def test_slices_are_not_joined_over_rows_that_were_not_compared() -> None:
    records = [due(number, missed=number == 500) for number in range(1_000)]
    kept = [one for one in thinned(records, 400, LIMIT) if isinstance(one, SoakSlice)]
    assert len(kept) < 60
    assert any(one.since == due(500, missed=True).since for one in kept)
    assert sum(one.stands_for for one in kept) == 1_000
