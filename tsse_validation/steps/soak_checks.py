"""What a soak must have shown: the checks of step 9, which look at its outcome (contract sections 4 and 6)."""

from collections.abc import Callable, Sequence
from datetime import date, datetime

from tsse_validation.domain.contract import Inspection
from tsse_validation.domain.durations import Duration
from tsse_validation.domain.instants import to_the_second
from tsse_validation.domain.phrasing import count_of
from tsse_validation.domain.soak_tally import LEAST_SHARE
from tsse_validation.runlog.soak_records import SoakBreach
from tsse_validation.settings.definitions import Settings
from tsse_validation.steps.run import Check
from tsse_validation.steps.soak_slices import KindProven, SliceKind
from tsse_validation.steps.soak_watching import files_in_words
from tsse_validation.steps.soaking import SoakOutcome
from tsse_validation.steps.watermark import check_file_counts, hold_clocks_agree

_MOST_NAMED = 3
_NO_COMPARISON = "No rows were compared in the soak"


def check_recent_throughout(soak: SoakOutcome, postgres_ahead: Callable[[], float | None], check: Check) -> None:
    """Hold that the watermark was recent all the time, and require that this is proven of nearly all of it.

    `postgres_ahead` asks by how many seconds Postgres's clock is ahead of the controller's; `None` is not known.
    """
    figures, order = soak.figures, soak.order
    check.fact("samples", f"{figures.samples:,}, at the most {figures.longest_gap:.0f} s apart")
    check.fact("proven", f"{_span(figures.proven)} of {order.asked}")
    if figures.age_max is not None:
        p50, p95, p99 = (f"{figures.percentile(share) or 0:.0f} s" for share in (0.5, 0.95, 0.99))
        check.fact(
            "age", f"at most {figures.age_max:.0f} s, gate {order.limit:.0f} s; p50 {p50}, p95 {p95}, p99 {p99}"
        )
    if figures.backlog_max is not None:
        check.fact("backlog", f"at most {figures.backlog_max:.0f} s")
    breaches = soak.evidence.breaches
    check.that(
        not figures.breaches,
        f"The watermark was older than {order.limit:.0f} s {count_of(figures.breaches, 'time')}: "
        f"{'; '.join(map(_breach, breaches[:_MOST_NAMED])) or f'in run {order.earlier_run}'}.",
        "Is replication running? Look at last_run_at and the controller's log of that time.",
    )
    hold_clocks_agree(postgres_ahead(), check)
    check.needs(figures.samples, "No sample was taken in the soak.", "Does the controller answer?")
    check.needs(
        figures.proven >= LEAST_SHARE * order.asked.total_seconds(),
        f"{_span(figures.proven)} of {order.asked} are proven; the longest time between two samples was "
        f"{figures.longest_gap:.0f} s{_gaps(soak)}.",
        "Keep this machine awake and the controller reachable, then run again.",
    )


def check_never_retreats_throughout(soak: SoakOutcome, check: Check) -> None:
    """Hold that no sample showed a lower watermark than one before it."""
    check.fact("samples", f"{soak.figures.samples:,}")
    retreats = soak.evidence.retreats
    check.that(
        not soak.figures.retreats,
        f"The watermark went backwards {count_of(soak.figures.retreats, 'time')}: "
        + "; ".join(
            f"at {_instant(one.at)} from {_instant(one.was)} to {_instant(one.now)}" for one in retreats[:3]
        )
        + ".",
        "A replication bug, or an older state was put back: rows may be lost.",
    )
    check.needs(soak.figures.samples > 1, "Fewer than two samples were taken in the soak.", "Let it last longer.")


def check_files_throughout(
    soak: SoakOutcome, settled: Callable[[], Inspection], today: Callable[[], date], check: Check
) -> None:
    """Hold that no shard-day stayed crowded: today's and yesterday's have an allowance, compaction its time.

    `settled` inspects the lake once compaction had its time; `today` is the UTC day.
    """
    files = soak.files
    check.fact("files", files_in_words(files))
    check.that(
        not files.crowded,
        f"{count_of(len(files.crowded), 'shard-day')} stayed with too many files: "
        f"{'; '.join(files.crowded[:_MOST_NAMED])}.",
        "Compaction does not keep up: look at the controller's log (contract section 4).",
    )
    if files.crowded_now:
        check_file_counts(settled(), today(), check)
    _needs_looks(soak, check)


def hold_none_stayed(soak: SoakOutcome, check: Check) -> None:
    """Hold that no temporary file was there for minutes."""
    stayed = soak.files.stayed
    check.fact("looks", soak.files.looks)
    check.that(
        not stayed,
        f"{count_of(len(stayed), 'temporary file')} stayed: {', '.join(stayed[:_MOST_NAMED])}.",
        "A write was torn: look at the controller's log, then remove them.",
    )
    _needs_looks(soak, check)


def check_newly_due(soak: SoakOutcome, check: Check) -> None:
    """Hold that all that became due was in the lake, slice by slice and once more at the end."""
    due, whole = soak.slices.of["due"], soak.slices.of["since_start"]
    check.fact("slices", f"{due.slices:,}, {count_of(due.new_rows, 'new row')}")
    check.fact("once more at the end", count_of(whole.rows, "row"))
    _hold_same(soak, "due", check)
    _hold_same(soak, "since_start", check)
    _needs_all(due, "The last rows that became due were not compared", check)
    _needs_all(whole, "What became due was not compared once more at the end", check)
    check.needs(due.new_rows, "No row became due in the soak.", "Is anything ingested? Nothing is proven without.")


def check_old_days(soak: SoakOutcome, settings: Settings, check: Check) -> None:
    """Hold that old days were the same on both sides whenever one was compared."""
    days = soak.slices.of["old_day"]
    check.fact("days", f"{days.slices:,}, {count_of(days.rows, 'row')}")
    _hold_same(soak, "old_day", check)
    check.needs(settings.soak_old_day_every, "No old day was to be compared (--soak-old-day-every 0).")
    _needs_all(days, "An old day could not be compared", check)
    check.needs(days.rows, "No old day with rows was compared.", "Has the covered range a whole day?")


def check_whole_range(soak: SoakOutcome, check: Check) -> None:
    """Hold that every covered row was the same on both sides at the end."""
    whole = soak.slices.of["whole_range"]
    check.fact("rows", f"{whole.rows:,}")
    _hold_same(soak, "whole_range", check)
    _needs_all(whole, "The whole range was not compared", check)
    check.needs(whole.rows, "The whole range has no row.", "There is nothing to prove.")


def _hold_same(soak: SoakOutcome, kind: SliceKind, check: Check) -> None:
    proven = soak.slices.of[kind]
    if proven.triaged is not None:
        raise proven.triaged
    check.that(
        not proven.differing,
        f"{count_of(proven.differing, 'row')} differ between Postgres and the lake.",
        "The findings say which, and what to do.",
        told_by=soak.slices.prover.diagnoses if soak.slices.prover else None,
    )
    why = f"{_NO_COMPARISON}: {soak.slices.without}" if soak.slices.without else f"{_NO_COMPARISON}."
    check.needs(soak.slices.prover is not None, why)


def _needs_looks(soak: SoakOutcome, check: Check) -> None:
    check.needs(soak.files.looks, "The files were never looked at in the soak.", "Let it last longer.")


def _needs_all(proven: KindProven, what: str, check: Check) -> None:
    check.needs(not proven.unread, f"{what}: {proven.unread}", "Run again when Postgres and the lake can be read.")


def _gaps(soak: SoakOutcome) -> str:
    told: Sequence[str] = [
        f"{_instant(gap.start)} to {_instant(gap.end)}{f' ({gap.text})' if gap.text else ''}"
        for gap in soak.evidence.gaps[:_MOST_NAMED]
    ]
    return f"; not proven: {'; '.join(told)}" if told else ""


def _breach(breach: SoakBreach) -> str:
    lasted = f"to {_instant(breach.end)}" if breach.end else "to the end"
    seen = f"; seen then: {', '.join(breach.seen)}" if breach.seen else ""
    return f"from {_instant(breach.start)} {lasted}, at most {breach.worst_seconds:.0f} s{seen}"


def _instant(instant: datetime | None) -> str:
    return to_the_second(instant) if instant else "not set"


def _span(seconds: float) -> str:
    return str(Duration(seconds=int(seconds)))
