"""What a backfill's guard says of a lake that only the controller can look into, and of a look that takes long."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from pydantic import SecretStr

from tests.support.builders import inspection, parity_result
from tsse_validation.clients.identity import Anchor, ServerProcess
from tsse_validation.clients.session_use import SessionUse
from tsse_validation.domain.errors import BudgetError
from tsse_validation.domain.instants import DAY, day_start, parse_rfc3339
from tsse_validation.domain.replacement import Loss, Replacement
from tsse_validation.domain.stack import LakePaths
from tsse_validation.domain.windows import Window
from tsse_validation.runlog.database_record import DatabaseSeen
from tsse_validation.settings.definitions import Settings
from tsse_validation.steps import guarding
from tsse_validation.steps.guarding import LossGuard, guard_of_run
from tsse_validation.steps.loss_guard import WouldLoseError, hold_no_loss, look_ahead
from tsse_validation.steps.loss_looks import JobLook, Surplus
from tsse_validation.steps.run import Facts
from tsse_validation.steps.validated_stack import Stack

if TYPE_CHECKING:
    from tsse_validation.clients.jobs import JobRunner
    from tsse_validation.steps.progress import ProgressReporter
    from tsse_validation.steps.run import ValidationRun

NOW = datetime(2026, 3, 20, 12, tzinfo=UTC)
FIRST = date(2026, 3, 1)


@dataclass
class Counting:
    """Counts as the parity job does: so many rows at each noon, by date, in Postgres and in the lake."""

    postgres: Mapping[date, int]
    lake: Mapping[date, int]
    affordable: int = 99
    asked: list[Window] = field(default_factory=list)

    def run(self, _job: str, params: Mapping[str, Any], *_: Any, **__: Any) -> Any:
        window = Window(parse_rfc3339(params["start"]), parse_rfc3339(params["end"]))
        self.asked.append(window)
        if len(self.asked) > self.affordable:
            raise BudgetError("The POST budget of the controller is used up.")

        def within(rows: Mapping[date, int]) -> int:
            return sum(n for day, n in rows.items() if day_start(day) + DAY / 2 in window)

        counts = {"a": (within(self.postgres), within(self.lake))}
        return type("Finished", (), {"result": parity_result(counts, window=window)})


def by_jobs(jobs: Counting, files: int) -> JobLook:
    shards = {"00": {"parquet_files": files, "total_bytes": 1}}
    seen = inspection({f"{day}": {"location": "hot", "shards": shards} for day in jobs.lake})
    return JobLook(cast("JobRunner", jobs), Settings(), seen)


def of_dates(days: range, rows: int = 10) -> dict[date, int]:
    return {FIRST + n * DAY: rows for n in days}


def asked(days: int) -> Replacement:
    return Replacement(days, NOW, NOW)


def test_dates_that_postgres_has_dropped_are_a_loss_even_where_they_lie_in_several_files() -> None:
    jobs = Counting(of_dates(range(5, 19)), of_dates(range(19)))
    outlook = look_ahead(by_jobs(jobs, files=3), asked(30))
    assert outlook.losses == (Loss(FIRST, 10, whole=True),)
    assert "40 rows more" in outlook.unknown[0]
    with pytest.raises(WouldLoseError):
        hold_no_loss(by_jobs(jobs, files=3), outlook)


def test_copies_that_wait_for_compaction_are_no_loss_by_the_controllers_word() -> None:
    jobs = Counting(of_dates(range(19)), of_dates(range(19), rows=11))
    outlook = look_ahead(by_jobs(jobs, files=3), asked(30))
    assert outlook.losses == ()
    assert "may be copies" in outlook.unknown[0]


def test_what_cannot_be_counted_is_not_called_safe_and_a_part_is_not_counted_again() -> None:
    gaps = {day: 10 for n, day in enumerate(of_dates(range(19))) if n % 2}
    jobs = Counting({day: n for day, n in gaps.items() if day.day > 8}, gaps, affordable=4)
    look = by_jobs(jobs, files=3)
    outlook = look_ahead(look, asked(30))
    assert outlook.losses
    posts = len(jobs.asked)
    with pytest.raises(WouldLoseError) as caught:
        hold_no_loss(look, outlook)
    assert caught.value.safe is None
    assert len(jobs.asked) == posts


def test_copies_beside_a_cut_keep_no_shorter_and_no_longer_range_from_being_safe() -> None:
    for first, safe in ((0, 20), (15, 5)):
        held = of_dates(range(first, 19))
        look = by_jobs(Counting(held, {day: n + 1 for day, n in held.items()}), files=3)
        outlook = look_ahead(look, asked(3))
        cut = replace(outlook, losses=(Loss(FIRST + 16 * DAY, 5, before=asked(3).begins),))
        with pytest.raises(WouldLoseError) as caught:
            hold_no_loss(look, cut)
        assert caught.value.safe == safe


@pytest.mark.parametrize("proven", [True, False])
def test_a_database_that_has_not_proven_to_be_the_controllers_does_not_say_what_would_be_lost(
    proven: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[Any] = []
    monkeypatch.setattr(guarding, "loss_guard", lambda *sides, **_: looked.append(sides[3]))
    seen = {"server": "h:5432/farm", "address": None, "database": "farm", "role": "r", "version": "16"}
    database = DatabaseSeen.model_validate(seen | {"tables_in": "public", "standby": False})
    anchor = Anchor("a job", ServerProcess("10.0.0.1", 5432, "farm", NOW))
    facts = Facts(database=database, anchor=anchor) if proven else Facts()
    lake = LakePaths(Path("/lake"), None, 16)
    stack = Stack("live", "http://h:8000", SecretStr("t"), conninfo=SecretStr("host=h"), lake=lake)
    run = SimpleNamespace(stack=stack, facts=facts, settings=Settings(), unavailable={}, sessions=SessionUse())
    guard_of_run(cast("ValidationRun", run), cast("JobRunner", None), cast("ProgressReporter", None))
    assert [client and client.anchor for client in looked] == [anchor if proven else None]
    assert (looked[0] is not None) is proven


@dataclass
class Slow:
    """A look that takes so long; the lake holds one row, two hours after what is its first date's cut now."""

    takes: timedelta
    only: datetime
    now: datetime = NOW
    by: str = "a slow look"

    def rows_in(self, window: Window) -> int:
        return int(self.only in window)

    def may_hold(self, window: Window) -> bool:
        return self.only in window

    def beyond_postgres(self, _window: Window) -> Surplus:
        self.now += self.takes
        return Surplus()

    def files(self) -> dict[date, Any]:
        return {}

    def times_of(self, _day: date) -> dict[datetime, int]:
        return {}


@pytest.mark.parametrize(("takes", "lost"), [(0.0, False), (1.0, False), (2.5, True), (30.0, False)])
def test_what_the_range_leaves_behind_while_it_is_looked_at_is_looked_at_too(takes: float, lost: bool) -> None:
    look = Slow(timedelta(hours=takes), NOW - 3 * DAY + timedelta(hours=2))
    guard = LossGuard(cast("JobRunner", None), Settings(), look, lambda: look.now, NOW)
    if lost:
        with pytest.raises(WouldLoseError, match="1 row of 2026-03-17 before 14:3"):
            guard.of(3, lambda _record: None)
    else:
        guarded = guard.of(3, lambda _record: None)
        assert guarded.replacement.latest >= look.now
