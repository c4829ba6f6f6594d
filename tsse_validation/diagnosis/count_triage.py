"""Findings from counts alone: what is explained, what differs, and what has healed. Pure."""

from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime

from tsse_validation.diagnosis.tally import (
    COUNTS_DIFFER,
    LEFT_EMPTY,
    NAMED_SENSORS,
    NOTHING_TO_DO,
    PARTITION_MISSING,
    Tally,
    healable,
)
from tsse_validation.domain.instants import format_rfc3339
from tsse_validation.domain.phrasing import count_of, days_in_words
from tsse_validation.domain.windows import Window, spanned
from tsse_validation.parity.count_rules import JobCount
from tsse_validation.parity.settling import Explained, Part
from tsse_validation.runlog.records import CountRow, Finding

_NOT_DUE = (
    "the watermark promises rows by inserted_at, not by ts: these are not due in the lake yet, or came in before "
    "the backfill's target and are dated after it, as forecasts are, where no export reads them"
)
_NO_FAULT = (
    (
        "late arrival pending",
        "rows that were inserted after the watermark",
        _NOT_DUE,
    ),
    (
        "upsert pending",
        "rows of which Postgres has a newer version, inserted after the watermark",
        "the lake holds the version that was there at the watermark",
    ),
)


def explain_counts(counts: Iterable[CountRow]) -> list[Finding]:
    """Return the findings that are no fault: rows that were inserted after the watermark, by sensor and day."""
    late, pending = Tally(), Tally()
    for row in counts:
        if row.day is not None:
            late.add(row.day, row.sensor_id, row.not_due - row.pending)
            pending.add(row.day, row.sensor_id, row.pending)
    return [
        Finding(
            diagnosis=diagnosis,
            flagged=False,
            summary=f"{rows}: {tally.rows:,}",
            evidence=evidence,
            sensors=tuple(sensor_id for sensor_id, _ in tally.sensors.most_common(NAMED_SENSORS)),
            days=tuple(sorted(tally.days)),
            rows=tally.rows,
            next_step=NOTHING_TO_DO,
        )
        for tally, (diagnosis, rows, evidence) in zip((late, pending), _NO_FAULT, strict=True)
        if tally.rows
    ]


def unlisted_sensors(counts: Iterable[CountRow], known: Collection[str]) -> list[Finding]:
    """Return the finding for sensors that `sensors` does not list and `metrics` has rows of; they are compared."""
    known_ids = frozenset(known)
    rows = {row.sensor_id: row.postgres + row.not_due for row in counts if row.sensor_id not in known_ids}
    unlisted = sorted(sensor_id for sensor_id, number in rows.items() if number)
    if not unlisted:
        return []
    return [
        Finding(
            diagnosis="not in sensors",
            flagged=False,
            summary=f"{count_of(len(unlisted), 'sensor')} with rows in metrics that sensors does not list",
            evidence=f"no foreign key prevents it; compared like the others: {', '.join(unlisted[:5])}",
            sensors=tuple(unlisted[:NAMED_SENSORS]),
            rows=sum(rows[sensor_id] for sensor_id in unlisted),
            next_step="Ask whose rows these are: the controller's parity job does not count them by itself.",
        )
    ]


def beyond_watermark(requested: Window, watermark: datetime) -> Finding | None:
    """Return the finding for a window that reaches past the watermark, or `None`."""
    if requested.end <= watermark:
        return None
    return Finding(
        diagnosis="beyond the watermark",
        flagged=False,
        summary=f"the window asked for ends {requested.end - watermark} after the watermark",
        evidence=f"checked up to {format_rfc3339(watermark)} only; what lies behind is not promised yet",
        next_step="Ask for a window that ends before computed_through_ts, or run again later.",
    )


def dropped_by_postgres(first: datetime, rows: int, days: Sequence[date]) -> Finding:
    """Return the finding for dates before Postgres's first row, which only the lake holds."""
    alone = f"{count_of(rows, 'row')} of {days_in_words(days)} are the lake's alone"
    return Finding(
        diagnosis="retention in Postgres",
        flagged=False,
        summary=f"Postgres begins at {format_rfc3339(first)}: {alone}",
        evidence="Postgres has no row at all before that instant: those of the lake were compared with nothing",
        days=tuple(days),
        rows=rows,
        next_step="Did retention or drop_chunks remove them in Postgres? Then keep the lake: a backfill over them "
        "would remove them for good. Else find out who has deleted them.",
    )


def job_mismatch(parts: Sequence[Part]) -> Finding:
    """Return the finding for a mismatch that only the controller's own counts show."""
    counts = [(part.window, count) for part in parts for count in part.counts]
    sensors = sorted({count.sensor_id for _, count in counts})
    named = ", ".join(f"{c.sensor_id} (Postgres {c.postgres}, lake {c.lake})" for _, c in counts[:NAMED_SENSORS])
    return healable(
        COUNTS_DIFFER,
        f"{count_of(len(sensors), 'sensor')} differing within {spanned(part.window for part in parts)}",
        f"counted by the controller, and still so once its watermark had passed the first count: {named}",
        sensors=tuple(sensors[:NAMED_SENSORS]),
        days=tuple(sorted({day for part in parts for day in part.window.days()})),
        rows=sum(abs(count.postgres - count.lake) for _, count in counts),
    )


def dates_left_empty(parts: Sequence[Part]) -> Finding:
    """Return the finding for dates without files that have rows in Postgres, by the controller's counts."""
    counts = [count for part in parts for count in part.counts]
    sensors = sorted({count.sensor_id for count in counts})
    days = sorted({day for part in parts for day in part.window.days()})
    rows = sum(count.postgres - count.lake for count in counts)
    return healable(
        PARTITION_MISSING,
        f"{count_of(rows, 'row')} of {count_of(len(sensors), 'sensor')} on {days_in_words(days)}",
        "the inspection shows no file there, and the controller counts rows in Postgres and none in the lake; "
        f"{LEFT_EMPTY}",
        look_first="Look into the controller's log for a restart or a canceled backfill: another one writes again "
        "what Postgres still holds.",
        sensors=tuple(sensors[:NAMED_SENSORS]),
        days=tuple(days),
        rows=rows,
    )


_COPIES_READ = (
    "each of them was found in the lake's files, as a copy or in the microsecond behind the window; every key "
    "that is due is there, and no other"
)
_COPIES_POSSIBLE = (
    "their dates have several files, where a row that was upserted stands more than once until compaction; counts "
    "cannot exclude a lost row beside a doubled one"
)


def late_by_the_job(explained: Explained) -> Finding:
    """Return the finding for sensors that differed at first, by rows that were on their way."""
    return Finding(
        diagnosis="late arrival",
        flagged=False,
        summary=f"{count_of(len(explained.late), 'sensor')} differed at first",
        evidence="the lake held every row that was counted once the watermark had passed the count",
        sensors=tuple(sorted(explained.late)),
        next_step=NOTHING_TO_DO,
    )


def copies_counted(explained: Explained, *, read: bool) -> Finding:
    """Return the finding for rows of the lake beyond those of Postgres; `read` says that we saw the copies."""
    sensors = sorted({sensor for part in explained.copies for sensor in part.sensor_ids})
    return Finding(
        diagnosis="the job counts copies that wait for compaction",
        flagged=False,
        summary=f"{count_of(explained.surplus, 'row')} of {count_of(len(sensors), 'sensor')} more in the lake",
        evidence=f"the job counts rows, not keys: {_COPIES_READ if read else _COPIES_POSSIBLE}",
        sensors=tuple(sensors[:NAMED_SENSORS]),
        rows=explained.surplus,
        next_step="Nothing at the lake: it is a defect of the job, and compaction takes the copies away.",
    )


def not_countable(sensor_ids: Sequence[str]) -> Finding:
    """Return the finding for ids that the job would change: nothing is said of their rows."""
    return Finding(
        diagnosis="cannot be counted by the job",
        flagged=False,
        summary=f"{count_of(len(sensor_ids), 'sensor')} whose id begins or ends with a blank",
        evidence="the job trims the ids that it is given, and counts another sensor or none",
        sensors=tuple(sensor_ids[:NAMED_SENSORS]),
        next_step="Give --database-url and --hot-path: we read such ids as they are.",
    )


def narrowed_mismatch(sensor_id: str, hours: Sequence[tuple[Window, JobCount]]) -> Finding:
    """Return the finding for a sensor whose mismatch was narrowed down by counts of the job alone."""
    named = "; ".join(f"{window}: Postgres {of.postgres}, lake {of.lake}" for window, of in hours[:NAMED_SENSORS])
    return healable(
        COUNTS_DIFFER,
        f"{sensor_id} differs within {count_of(len(hours), 'window')}",
        f"narrowed down by the controller's counts: {named}; which rows differ, counts cannot tell",
        sensors=(sensor_id,),
        days=tuple(sorted({day for window, _ in hours for day in window.days()})),
        rows=sum(abs(of.postgres - of.lake) for _, of in hours),
    )


def healed(differing_before: int, differing_after: int) -> Finding:
    """Return the finding of a heal check: what differed, and what still does after another backfill."""
    evidence = "the backfill was run again with replace_existing, and the range compared again"
    if differing_after:
        return Finding(
            diagnosis="repeatable: replication bug",
            flagged=True,
            summary=f"{differing_after:,} of {count_of(differing_before, 'sensor-day')} still differ",
            evidence=evidence,
            next_step="Track it as a new task, with this report; do not mark TSSE-6 Done.",
        )
    return Finding(
        diagnosis="healed by a backfill",
        flagged=False,
        summary=f"{count_of(differing_before, 'sensor-day')} differed, none does after a backfill",
        evidence=evidence,
        next_step="Find out what had damaged the lake, then run the whole validation again.",
        heals_by_backfill=True,
    )
