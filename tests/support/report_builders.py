"""Synthetic results of runs, as the run log would give them."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta

import pytest

from tests.support.builders import (
    START,
    WINDOW,
    check_id,
    count_row,
    counts_taken,
    finished,
    job_coverage,
    planned,
    rows_compared,
    run_started,
    stack_described,
)
from tests.support.soaked import eventful, quiet, soak_began, soak_sample, soak_seen
from tsse_validation.domain.assurance import Assurance
from tsse_validation.domain.catalogue import CHECKS
from tsse_validation.domain.contract import BACKFILL_GATE_DAYS, Replication
from tsse_validation.domain.stack import Capability
from tsse_validation.runlog.records import (
    BackfillSeen,
    CheckPlanned,
    CheckStarted,
    CheckStatus,
    CountRow,
    CountsTaken,
    Finding,
    Note,
    PartitionFiles,
    PartitionsSeen,
    PostsSpent,
    Record,
    ReplicationSeen,
    RowDifference,
    RowsCompared,
    RowVersion,
    RunFinished,
    ServiceEnded,
    SettingValue,
    StackComponent,
    StackDescribed,
    WindowChecked,
)
from tsse_validation.runlog.result import RunResult
from tsse_validation.runlog.session_record import SessionsUsed
from tsse_validation.runlog.soak_records import SoakBreach, SoakEvent, SoakGap

SENSORS = ("006298880cd2dbb66247fdc3", "00ca2cd37fd567ab0016992d", "forecast_soil|0", "0137f2f857d4dd34c390573c")
PER_DAY = (2_808, 283, 96, 0)
DAYS = tuple(WINDOW.start.date() + timedelta(days=offset) for offset in range(91))
BAD_SENSOR, BAD_DAY, LOST = SENSORS[0], date(2026, 1, 5), 7
EXPECTED_ROWS = sum(PER_DAY) * len(DAYS)


def counts(*, lost: int = 0) -> Iterator[CountsTaken]:
    yield counts_taken(*_by_sensor(lost, 12, 1))
    yield job_counts(lost=lost)
    by_day = [(day, *sensor) for day in DAYS for sensor in zip(SENSORS, PER_DAY, strict=True)]
    yield counts_taken(
        *(
            count_row(sensor, rows, rows - (lost if (sensor, day) == (BAD_SENSOR, BAD_DAY) else 0), day=day)
            for day, sensor, rows in by_day
        )
    )


def job_counts(*, lost: int = 0) -> CountsTaken:
    return counts_taken(*list(_by_sensor(lost, 0, 0))[:2], source="job")


def _by_sensor(lost: int, not_due: int, pending: int) -> Iterator[CountRow]:
    for sensor, per_day in zip(SENSORS, PER_DAY, strict=True):
        rows, short = per_day * len(DAYS), lost if sensor == BAD_SENSOR else 0
        yield CountRow(sensor, None, rows, rows - short, not_due, pending, short == 0)


def all_compared(*, differing: int = 0) -> RowsCompared:
    return rows_compared(EXPECTED_ROWS, sensors=len(SENSORS), differing=differing, not_due=48, pending=4)


LIVE = stack_described(Capability.POSTGRES, Capability.LAKE, strict=False)


def backfill(days: int = BACKFILL_GATE_DAYS) -> BackfillSeen:
    return BackfillSeen(
        job_id="a66ef24e-66fe-4c93-a1c2-755b7f140b40",
        status="completed",
        days=days,
        rows_exported=EXPECTED_ROWS,
        seconds=83.2,
        backfill_from=WINDOW.start,
        backfill_to=WINDOW.end,
        touched_dates=91,
        events=("created", "started", *(f"progress {day.isoformat()}" for day in DAYS), "completed"),
    )


def windows(*, lost: int = 0) -> Iterator[WindowChecked]:
    for edge in ("UTC midnight", "at the watermark", "one microsecond"):
        for number in range(4):
            short = lost if (edge, number) == ("UTC midnight", 2) else 0
            yield WindowChecked(
                edge=edge,
                source="direct",
                start=WINDOW.start + timedelta(days=number),
                end=WINDOW.start + timedelta(days=number, hours=1),
                postgres=133,
                lake=133 - short,
                sensors=3,
                mismatching=(BAD_SENSOR,) if short else (),
            )
    yield WindowChecked(
        edge="UTC midnight", source="job", start=WINDOW.start, end=WINDOW.end, postgres=133, lake=133, sensors=2
    )


def differences() -> Iterator[RowDifference]:
    ts = datetime(2026, 1, 5, 3, 0, 0, 250, tzinfo=UTC)
    here = RowVersion("21.5", 0, "2026-01-05T03:00:01.000000+00:00")
    yield RowDifference(kind="missing", sensor_id=BAD_SENSOR, ts=ts, postgres=here)
    yield RowDifference(kind="extra", sensor_id=BAD_SENSOR, ts=ts, lake=RowVersion("nan", None, None))
    yield RowDifference(
        kind="changed_value",
        sensor_id=SENSORS[2],
        ts=ts,
        postgres=here,
        lake=here._replace(value="21.500000000000004"),
    )


def findings() -> Iterator[Finding]:
    yield Finding(
        diagnosis="partition lost rows",
        flagged=True,
        summary=f"{LOST} rows of 2026-01-05 are in Postgres and not in the lake.",
        evidence="They were inserted before the watermark, and no file of the shard holds them.",
        sensors=(BAD_SENSOR,),
        days=(BAD_DAY,),
        rows=LOST,
        next_step="Re-run backfill with replace_existing=true for 2026-01-05.",
        heals_by_backfill=True,
    )
    yield Finding(
        diagnosis="late arrivals",
        flagged=False,
        summary="12 rows were inserted after the watermark; they are not due yet.",
        sensors=SENSORS[1:3],
        rows=12,
    )


def partitions() -> Iterator[PartitionsSeen]:
    """Yield the lake before and after a backfill, its first week cold, and the parity job's two dates."""
    for moment, days in (("before the backfill", DAYS[-20:]), ("after the backfill", DAYS)):
        yield PartitionsSeen(
            at=START + timedelta(seconds=30),
            source="inspection",
            moment=moment,
            dates=tuple(
                PartitionFiles(
                    day, "cold" if day in DAYS[:7] else "hot", 16 + (day == DAYS[-1]), 45_000, 16, 2, None, None
                )
                for day in days
            ),
        )
    yield PartitionsSeen(
        at=START + timedelta(seconds=60),
        source="parity",
        moment="by the parity job, for its window",
        dates=tuple(
            PartitionFiles(day, "hot", None, None, None, most, files, None)
            for day, files, most in ((DAYS[-2], 16, 1), (DAYS[-1], 156, 10))
        ),
    )


def replication(
    *ages: float | None, backlog: float | None = 60, source: str = "inspection"
) -> Iterator[ReplicationSeen]:
    """Yield a look at replication for each age of the watermark, half a minute apart."""
    for number, age in enumerate(ages):
        at = START + timedelta(seconds=30 * number)
        yield ReplicationSeen.model_validate(
            {
                "at": at,
                "source": source,
                "age_seconds": age,
                "age_limit_seconds": 420,
                "state": Replication(
                    computed_through_ts=None if age is None else at - timedelta(seconds=age),
                    last_run_at=at,
                    last_run_backlog_seconds=backlog,
                    last_run_row_count=554,
                    last_run_duration_ms=105,
                    last_run_status="ok",
                ),
            }
        )


def ended(seconds: float = 214.5) -> RunFinished:
    return RunFinished(at=START + timedelta(seconds=seconds), reason="completed")


def sessions() -> SessionsUsed:
    return SessionsUsed(
        transactions=41, longest_seconds=7.21, idle_longest_seconds=0.05, locks_most=212, tries_again=1
    )


def posts() -> PostsSpent:
    return PostsSpent(
        spent=14, refused=1, waited_seconds=7.0, by_purpose={"inspect": 3, "backfill": 1, "parity": 10}
    )


def go() -> RunResult:
    """Return a run that proved everything on a stack of our own."""
    checks = [finished(spec.key) for spec in CHECKS.values()]
    checks[0] = finished(
        "test_core_server_answers_healthz",
        CheckStatus.WARNED,
        warnings=("The answer took 2.1 s; a healthy controller answers within 1 s.",),
    )
    return result(
        run_started(),
        stack_described(),
        *map(planned, CHECKS),
        *checks,
        *counts(),
        all_compared(),
        *windows(),
        backfill(),
        *partitions(),
        *replication(61.5, 118.0, 7.25),
        *list(findings())[1:],
        posts(),
        sessions(),
        Note(text="The stack was provisioned by this run."),
        ended(),
    )


def soaked() -> RunResult:
    """Return a run that proved everything, with a soak of ten minutes."""
    return with_soak(go(), quiet())


def breached() -> RunResult:
    """Return a run that found lost rows, with a soak in which all happened that can happen."""
    return with_soak(no_go(), eventful())


def with_soak(of: RunResult, soak: Iterable[Record]) -> RunResult:
    soaking = result(run_started(), *soak)
    return of.model_copy(
        update={name: getattr(soaking, name) for name in RunResult.model_fields if name.startswith("soak_")}
    )


def no_go() -> RunResult:
    """Return a run that found lost rows: counts, rows, windows and triage all say so."""
    failing = {
        "test_counts_agree_for_every_sensor": f"1 of 4 sensors mismatches: {BAD_SENSOR}, lake short of {LOST}",
        "test_every_due_row_is_in_the_lake_unchanged": "3 rows differ:\n  2026-01-05 missing\n  2026-01-05 extra",
    }
    blocked = {"test_random_windows_agree_by_the_parity_job": "step 6 (parity) failed"}
    checks = []
    for key, spec in CHECKS.items():
        if key in failing:
            advice = "Read the triage findings, then re-run the backfill."
            checks.append(finished(spec.key, CheckStatus.FAILED, message=failing[key], advice=advice))
        elif key in blocked:
            checks.append(finished(spec.key, CheckStatus.BLOCKED, message=blocked[key]))
        else:
            checks.append(finished(spec.key))
    return result(
        run_started(),
        stack_described(),
        *map(planned, CHECKS),
        *checks,
        *counts(lost=LOST),
        all_compared(differing=3),
        *windows(lost=LOST),
        *differences(),
        *findings(),
        backfill(),
        *partitions(),
        *replication(61.5, 118.0, 7.25),
        posts(),
        ended(),
    )


def with_long_messages() -> RunResult:
    """Return a run that found lost rows, with no diagnosis, and failed checks that say much."""
    of = no_go()
    checks = [
        check.model_copy(update={"message": "words " * 200}) if check.message else check for check in of.checks
    ]
    return of.model_copy(update={"checks": tuple(checks), "findings": ()})


def crashed() -> RunResult:
    """Return what the log of a run holds that died in its backfill."""
    specs = list(CHECKS.values())
    backfill_check = CHECKS["test_backfill_job_completes"]
    done = [finished(spec.key) for spec in specs if spec.step < backfill_check.step]
    done[1] = finished(specs[1].key, CheckStatus.UNPROVEN, message="Qdrant did not answer within 5 s.")
    under_way = CheckStarted(check_id=check_id(backfill_check.key), at=START + timedelta(seconds=40))
    return result(run_started(), stack_described(), *map(planned, CHECKS), *done, under_way)


ACCEPTED = SettingValue(name="require", value="counts", source="command line")


def live_api_only(required: Assurance = Assurance.COUNTS) -> RunResult:
    """Return a run on a live controller of which only the API can be read: GO where counts are accepted."""
    absent = set(LIVE.absent)
    checks = [
        finished(spec.key, CheckStatus.NOT_CHECKED, message="Postgres and the lake are not readable to us")
        if spec.requires & absent
        else finished(spec.key)
        for spec in CHECKS.values()
    ]
    return result(
        run_started(required=required, settings=(*run_started().settings, ACCEPTED)),
        LIVE,
        *map(planned, CHECKS),
        *checks,
        job_counts(),
        job_coverage(EXPECTED_ROWS),
        backfill(),
        *replication(61.5),
        posts(),
        ended(),
    )


def empty() -> RunResult:
    return result(run_started())


def hostile(text: str) -> RunResult:
    """Return a result that carries one text wherever a text can stand."""
    spec = CHECKS["test_counts_agree_for_every_sensor"]
    said = {"check_id": text, "title": text, "advice": text}
    check = finished(spec.key, CheckStatus.FAILED, text, **said, facts={text: text}, warnings=(text,))
    version = RowVersion(text, 0, text)
    row = CountRow(text, None, 5, 3, 1, 1, False)
    return result(
        run_started(
            run_id=text,
            suite_version=text,
            environment={text: text},
            settings=(SettingValue(name=text, value=text, source=text),),
        ),
        StackDescribed(
            kind=text,
            base_url=text,
            owned=False,
            strict=False,
            components=(StackComponent(name=text, description=text, version=text),),
            absent={Capability.LAKE: text},
        ),
        CheckPlanned(check_id=text, key=spec.key, step=spec.step),
        check,
        counts_taken(row),
        CountsTaken(source="job", window=WINDOW, rows=(row._replace(day=BAD_DAY),)),
        all_compared(differing=1),
        RowDifference(kind="changed_value", sensor_id=text, ts=START, postgres=version, lake=version),
        WindowChecked(
            edge=text,
            source="direct",
            start=START,
            end=START + timedelta(hours=1),
            postgres=5,
            lake=3,
            sensors=1,
            mismatching=(text,),
        ),
        PartitionsSeen(
            at=START,
            source="inspection",
            moment=text,
            dates=(
                PartitionFiles(date.min, text, -(10**30), 10**400, None, 10**400, None, None),
                PartitionFiles(date.max, None, 10**400, -1, 0, -5, 10**400, START),
            ),
        ),
        PartitionsSeen(
            at=START,
            source="parity",
            moment=text,
            dates=(PartitionFiles(BAD_DAY, text, None, None, None, 10**400, 10**400, None),),
        ),
        *(
            ReplicationSeen(
                at=START,
                source="parity",
                age_seconds=age,
                age_limit_seconds=0.0,
                state=Replication(
                    last_run_status=text,
                    last_run_error=text,
                    last_run_backlog_seconds=-1e308,
                    last_run_row_count=10**400,
                    last_run_duration_ms=-(10**400),
                ),
            )
            for age in (1e308, -1e308, None)
        ),
        BackfillSeen(job_id=text, status=text, days=90, seconds=1.0, events=(text,)),
        Finding(diagnosis=text, flagged=True, summary=text, evidence=text, sensors=(text,), next_step=text),
        PostsSpent(spent=1, refused=0, waited_seconds=0.0, by_purpose={text: 1}),
        soak_began(600, earlier_run=text),
        soak_seen(600, 9, 2, age_max_seconds=1e308, backlog_max_seconds=-1e308, rows_proven=10**400),
        soak_sample(0, 10**9, 1e308),
        SoakGap(start=START, end=START, why="unanswered", age_at_most_seconds=-1e308, text=text),
        SoakBreach(start=START, end=None, worst_seconds=1e308, worst_at=START, seen=(text, text)),
        SoakEvent(at=START, kind="restart", text=text),
        Note(text=text),
        ServiceEnded(name=text, at=START, how=text, log_tail=(text, text)),
        RunFinished(at=START, reason="internal_error", message=text),
    )


def result(*records: Record) -> RunResult:
    return RunResult.from_records(records)


SCENARIOS: Sequence[tuple[str, RunResult]] = (
    ("go", go()),
    ("no-go", no_go()),
    ("crashed", crashed()),
    ("live api only", live_api_only()),
    ("live proof wanted", live_api_only(Assurance.PROOF)),
    ("empty", empty()),
    ("soaked", soaked()),
    ("breached", breached()),
)
ALL = pytest.mark.parametrize("of", [of for _, of in SCENARIOS], ids=[name for name, _ in SCENARIOS])
