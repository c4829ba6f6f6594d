"""What the lake promises, within the covered range and beyond it, against a model of what brings rows there."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from tsse_validation.domain.coverage import ALL_TIME, Coverage, Scope, scopes_beyond, scopes_since
from tsse_validation.domain.instants import DAY, MICROSECOND, day_start, utc_day
from tsse_validation.domain.windows import Window

BEGIN = datetime(2026, 3, 10, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)
LAG = timedelta(minutes=5)


def coverage_of(begin: datetime, target: datetime, watermark: datetime) -> Coverage:
    return Coverage(begin, target, watermark)


HOURS = st.integers(-400, 400).map(lambda hours: BEGIN + hours * HOUR)
COVERAGES = st.lists(HOURS, min_size=3, max_size=3).map(lambda edges: coverage_of(*sorted(edges)))
INSTANTS = st.one_of(HOURS, HOURS.map(lambda at: at + MICROSECOND), HOURS.map(lambda at: at - MICROSECOND))


def all_scopes(coverage: Coverage, earlier: Coverage | None = None) -> list[Scope]:
    return [Scope.covered_by(coverage), *scopes_beyond(coverage, earlier)]


@given(COVERAGES, INSTANTS, INSTANTS | st.none())
def test_what_is_compared_within_and_beyond_the_range_is_exactly_what_is_promised(
    coverage: Coverage, ts: datetime, inserted_at: datetime | None
) -> None:
    comparing = [scope for scope in all_scopes(coverage) if scope.holds(ts, inserted_at)]
    assert len(comparing) == coverage.promises(ts, inserted_at)


@given(COVERAGES, INSTANTS, INSTANTS | st.none())
def test_before_the_target_the_time_of_insertion_alone_decides(
    coverage: Coverage, ts: datetime, inserted_at: datetime | None
) -> None:
    scope = Scope.covered_by(coverage)
    first = scope.before_the_target(scope.window)
    assert first.start == scope.window.start
    if first != scope.window:
        assert (first.end + MICROSECOND) == day_start(utc_day(first.end + MICROSECOND))
        if ts in first:
            assert scope.holds(ts, inserted_at) == (inserted_at is None or inserted_at <= coverage.watermark)


@given(COVERAGES, INSTANTS, INSTANTS)
def test_every_row_inserted_since_the_backfills_target_is_promised(
    coverage: Coverage, ts: datetime, inserted_at: datetime
) -> None:
    promised = coverage.backfill_to < inserted_at <= coverage.watermark
    outside = not coverage.backfill_from <= ts < coverage.backfill_to
    assert coverage.promises(ts, inserted_at) == promised or not outside


@given(COVERAGES, st.integers(1, 40), INSTANTS, INSTANTS)
def test_what_retention_deletes_is_promised_by_nobody(
    coverage: Coverage, days: int, ts: datetime, inserted_at: datetime
) -> None:
    kept = coverage.after_retention(days, BEGIN)
    oldest = day_start(utc_day(BEGIN + HOUR) - timedelta(days=days))
    compared = any(Scope(w, kept, kept.backfill_to).holds(ts, inserted_at) for w in kept.outside())
    assert not (ts < oldest and compared)
    assert kept.promises(ts, inserted_at) == (ts >= oldest and coverage.promises(ts, inserted_at))


@given(COVERAGES, COVERAGES, INSTANTS, INSTANTS | st.none())
def test_no_row_is_compared_twice_where_an_earlier_backfill_is_known(
    coverage: Coverage, earlier: Coverage, ts: datetime, inserted_at: datetime | None
) -> None:
    assert sum(scope.holds(ts, inserted_at) for scope in all_scopes(coverage, earlier)) <= 1


def test_the_windows_outside_reach_from_the_first_day_to_the_last() -> None:
    coverage = Coverage(BEGIN - 3 * DAY, BEGIN, BEGIN + HOUR)
    before, after = coverage.outside()
    assert (before.start, before.end) == (ALL_TIME.start, BEGIN - 3 * DAY - MICROSECOND)
    assert (after.start, after.end) == (BEGIN + HOUR + MICROSECOND, ALL_TIME.end)
    assert Coverage(BEGIN, BEGIN, BEGIN - HOUR).outside() == [ALL_TIME]
    assert coverage.after_retention(1, BEGIN).outside() == [Window(BEGIN + HOUR + MICROSECOND, ALL_TIME.end)]


# ---- against what a controller does ----------------------------------------------------------------------------


@dataclass
class Controller:
    """The contract's controller in a few lines: what it exports, when, and what a backfill takes away."""

    now: datetime = BEGIN
    postgres: dict[int, tuple[datetime, datetime | None]] = field(default_factory=dict)
    lake: dict[int, datetime | None] = field(default_factory=dict)
    through: datetime = BEGIN - 1000 * HOUR
    coverage: Coverage | None = None
    earlier: Coverage | None = None

    def insert(self, key: int, ts: datetime) -> None:
        """Insert a row, or a newer version of it: its key keeps its `ts`."""
        self.postgres[key] = (self.postgres.get(key, (ts, None))[0], self.now)

    def replicate(self) -> None:
        target = max(self.through, self.now - LAG)
        for key, (_, inserted_at) in self.postgres.items():
            if inserted_at is not None and self.through < inserted_at <= target:
                self.lake[key] = inserted_at
        self.through = target
        if self.coverage is not None:
            self.coverage = Coverage(self.coverage.backfill_from, self.coverage.backfill_to, target)

    def backfill(self, days: int) -> None:
        target = max(self.through, self.now - LAG)
        begin = target - days * DAY
        dates: set[date] = set(Window(begin, target - MICROSECOND).days())
        for key, (ts, inserted_at) in self.postgres.items():
            if utc_day(ts) in dates:
                self.lake.pop(key, None)
            if begin <= ts < target and (inserted_at is None or inserted_at <= target):
                self.lake[key] = inserted_at
        self.earlier = self.coverage
        self.through = target
        self.coverage = Coverage(begin, target, target)


STEPS = st.one_of(
    st.tuples(st.just("insert"), st.integers(0, 9), st.integers(-150, 100)),
    st.tuples(st.just("replicate"), st.just(0), st.just(0)),
    st.tuples(st.just("backfill"), st.integers(1, 4), st.just(0)),
    st.tuples(st.just("wait"), st.integers(1, 30), st.just(0)),
)


@given(st.lists(STEPS, min_size=4, max_size=30), st.lists(st.integers(-150, -1), max_size=4))
def test_a_controller_that_does_as_the_contract_says_holds_all_that_is_promised(
    steps: list[tuple[str, int, int]], untimed: list[int]
) -> None:
    made = Controller()
    made.postgres = {-number: (BEGIN + hours * HOUR, None) for number, hours in enumerate(untimed, start=1)}
    for step, number, hours in [*steps, ("backfill", 1, 0), ("replicate", 0, 0)]:
        made.now += timedelta(minutes=7)
        match step:
            case "insert":
                made.insert(number, made.now + hours * HOUR)
            case "replicate":
                made.replicate()
            case "backfill":
                made.backfill(number)
            case _:
                made.now += number * HOUR
    assert made.coverage is not None
    scopes = all_scopes(made.coverage, made.earlier)
    for key, (ts, inserted_at) in made.postgres.items():
        if any(scope.holds(ts, inserted_at) for scope in scopes):
            assert made.lake.get(key, "not there") == inserted_at


@given(COVERAGES, st.none() | st.integers(1, 40), INSTANTS, st.none() | INSTANTS, INSTANTS, INSTANTS)
def test_what_was_inserted_since_an_instant_is_compared_once_where_it_is_promised(
    coverage: Coverage,
    days: int | None,
    since: datetime,
    until: datetime | None,
    ts: datetime,
    inserted_at: datetime,
) -> None:
    kept = coverage if days is None else coverage.after_retention(days, BEGIN)
    end = kept.watermark if until is None else min(until, kept.watermark)
    comparing = [scope for scope in scopes_since(kept, since, until) if scope.holds(ts, inserted_at)]
    assert len(comparing) == (since < inserted_at <= end and kept.promises(ts, inserted_at))


@given(COVERAGES, COVERAGES, INSTANTS, INSTANTS, INSTANTS)
def test_what_passes_brought_before_a_backfill_is_compared_since_an_instant_as_beyond_the_range(
    one: Coverage, other: Coverage, since: datetime, ts: datetime, inserted_at: datetime
) -> None:
    earlier, coverage = sorted((one, other), key=lambda of: of.backfill_to)
    beyond = [scope for scope in scopes_beyond(coverage, earlier) if scope.holds(ts, inserted_at)]
    comparing = [s for s in scopes_since(coverage, since, None, earlier) if s.holds(ts, inserted_at)]
    wanted = since < inserted_at and (bool(beyond) or coverage.promises(ts, inserted_at))
    assert len(comparing) <= 1
    if since < coverage.backfill_to:
        assert len(comparing) == wanted


@given(COVERAGES, INSTANTS)
def test_nothing_is_asked_for_that_was_inserted_after_the_end_of_what_is_asked_for(
    coverage: Coverage, since: datetime
) -> None:
    assert scopes_since(coverage, coverage.watermark) == []
    assert all(scope.since is not None and scope.since >= since for scope in scopes_since(coverage, since))
