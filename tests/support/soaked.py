"""Synthetic soaks, as the run log would give them: a quiet one, and one with all that can happen."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from tests.support.builders import START
from tsse_validation.runlog.record_base import Record
from tsse_validation.runlog.soak_records import (
    SoakBegan,
    SoakBreach,
    SoakEvent,
    SoakFiles,
    SoakGap,
    SoakSample,
    SoakSeen,
    SoakSlice,
)

BEGAN = START + timedelta(minutes=4)
LIMIT, PACE = 420.0, 5.0


def at(seconds: float) -> datetime:
    """Return the moment so many seconds after the soak began."""
    return BEGAN + timedelta(seconds=seconds)


def soak_began(asked: float, **more: object) -> SoakBegan:
    given = {"at": BEGAN, "asked_seconds": asked, "limit_seconds": LIMIT, "source": "state_file"}
    return SoakBegan.model_validate(given | {"pace_seconds": PACE} | more)


def soak_sample(seconds: float, age: float | None, backlog: float | None = 60.0) -> SoakSample:
    moment = at(seconds)
    mark = None if age is None else moment - timedelta(seconds=age)
    return SoakSample(at=moment, source="state_file", watermark=mark, age_seconds=age, backlog_seconds=backlog)


def soak_seen(asked: float, proven: float, samples: int, **more: object) -> SoakSeen:
    given: dict[str, object] = {
        "at": at(asked),
        "asked_seconds": asked,
        "seconds": asked,
        "proven_seconds": proven,
        "samples": samples,
        "longest_gap_seconds": PACE,
        "age_max_seconds": 119.0,
        "age_max_at": at(asked / 2),
        "age_p50_seconds": 90.0,
        "age_p95_seconds": 117.0,
        "age_p99_seconds": 119.0,
        "backlog_max_seconds": 60.0,
        "breaches": 0,
        "rows_proven": 5_540,
        "slices": 10,
        "old_days": 1,
        "ended": "completed",
    }
    return SoakSeen.model_validate(given | more)


def due_slice(seconds: float, new_rows: int = 554, differing: int = 0) -> SoakSlice:
    return SoakSlice(
        at=at(seconds),
        kind="due",
        since=at(seconds - 960),
        through=at(seconds - 60),
        rows=8_310,
        new_rows=new_rows,
        sensors=4,
        differing=differing,
        seconds=0.4,
    )


def quiet(asked: float = 600.0) -> Iterator[Record]:
    """Yield a soak in which nothing happened: the watermark moves on each minute."""
    yield soak_began(asked)
    moments = [PACE * number for number in range(int(asked / PACE) + 1)]
    yield from (soak_sample(moment, 60.0 + moment % 60) for moment in moments)
    yield from (due_slice(60.0 * number) for number in range(1, int(asked / 60) + 1))
    slices = int(asked / 60)
    yield soak_seen(asked, asked, len(moments), slices=slices, rows_proven=554 * slices)


def eventful() -> Iterator[Record]:
    """Yield three hours with a breach of twelve minutes, a night's sleep, a restart and leftover files."""
    asked, slept, woke = 10_800.0, 3_600.0, 5_400.0
    yield soak_began(asked, earlier_run="20260123T162000Z-live-0a1b")
    moments = [PACE * number for number in range(int(asked / PACE) + 1)]
    awake = [moment for moment in moments if not slept < moment < woke]
    for moment in awake:
        late = 8_000 <= moment < 9_140
        yield soak_sample(moment, moment - 8_000 + 120 if late else 60.0 + moment % 60, 900.0 if late else 60.0)
    passes = [60.0 * number for number in range(1, 180) if not slept < 60 * number < woke]
    yield from map(due_slice, passes)
    yield due_slice(asked).model_copy(update={"kind": "old_day", "day": BEGAN.date(), "since": None})
    yield due_slice(asked, differing=2).model_copy(update={"kind": "since_start"})
    yield SoakGap(
        start=at(slept + 300), end=at(woke), why="asleep", age_at_most_seconds=1_900.0, text="our machine slept"
    )
    yield SoakEvent(at=at(8_150), kind="connection_lost", text="core-server does not answer: connection refused.")
    yield SoakEvent(at=at(8_700), kind="restart", text="It was started anew, as version 3.2.1.")
    breach = SoakBreach(start=at(8_300), end=None, worst_seconds=700.0, worst_at=at(8_580))
    seen = ("core-server did not answer", "a restart")
    yield breach
    yield breach.model_copy(
        update={"end": at(9_140), "worst_seconds": 1_255.0, "worst_at": at(9_135), "seen": seen}
    )
    yield SoakFiles(at=at(60), files=1_600, most_in_a_shard_day=9, temporary=0)
    yield SoakFiles(at=at(9_000), files=1_612, most_in_a_shard_day=14, temporary=3)
    yield soak_seen(
        asked, 8_160.0, len(awake), longest_gap_seconds=1_800.0, age_max_seconds=1_255.0, age_max_at=at(9_135),
        backlog_max_seconds=900.0, breaches=1, slices=len(passes), rows_proven=554 * len(passes),
    )  # fmt: skip
