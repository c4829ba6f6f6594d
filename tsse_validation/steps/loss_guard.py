"""Looks, before a backfill, at what it would take out of the lake, and after it at what it has taken.

Where something would be lost nothing is started: nothing brings it back (contract section 3).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from tsse_validation.domain.contract import BackfillResult
from tsse_validation.domain.errors import NotCheckedError
from tsse_validation.domain.instants import utc_day
from tsse_validation.domain.phrasing import count_of, days_in_words
from tsse_validation.domain.replacement import (
    FilesOfDate,
    Loss,
    Replacement,
    gone_from,
    losses_in_words,
    rows_lost,
    safe_days,
)
from tsse_validation.runlog.records import Finding
from tsse_validation.steps.loss_looks import DateFiles, LossLook, Surplus

ACCEPT = "--accept-loss backfills all the same"
BRINGS_BACK = (
    "A longer backfill brings back what Postgres still holds; the rest is gone for good, unless there is a backup "
    "of the lake."
)


_NAMED = 5


class WouldLoseError(NotCheckedError):
    """A backfill was not started, for it would take rows away: `losses`, and the `safe` number of days, if any."""

    def __init__(self, message: str, advice: str, losses: tuple[Loss, ...], safe: int | None) -> None:
        super().__init__(message, advice)
        self.losses = losses
        self.safe = safe

    def finding(self) -> Finding:
        """Return the losses as a finding: nothing is lost yet, so it is not flagged."""
        return Finding(
            diagnosis="backfill not started",
            flagged=False,
            summary=f"it would take {losses_in_words(self.losses)} out of the lake",
            evidence="a backfill removes each date of its range before it writes what Postgres holds of it",
            days=tuple(sorted({loss.day for loss in self.losses})),
            rows=rows_lost(self.losses),
            next_step=self.advice,
            safe_days=self.safe,
        )


@dataclass(frozen=True)
class Outlook:
    """What a backfill would take away: `losses`, and what could not be told of it, in words."""

    replacement: Replacement
    losses: tuple[Loss, ...]
    unknown: tuple[str, ...] = ()

    def finding(self, by: str, why: str) -> Finding:
        """Return what is accepted, and why it is, as a finding that is told and not flagged."""
        return Finding(
            diagnosis="loss by the backfill accepted",
            flagged=False,
            summary=f"the backfill takes away {losses_in_words(self.losses)}",
            evidence=f"looked at before the backfill, by {by}; {why}",
            days=tuple(sorted({loss.day for loss in self.losses})),
            rows=rows_lost(self.losses),
            next_step=BRINGS_BACK,
        )


def look_ahead(look: LossLook, replacement: Replacement) -> Outlook:
    """Return what a backfill would take away: rows before its range, and rows that Postgres does not hold."""
    cut, unknown = _before_the_range(look, replacement)
    beyond = look.beyond_postgres(replacement.within)
    return Outlook(replacement, (*cut, *beyond.losses), (*unknown, *beyond.unknown))


def look_again(look: LossLook, outlook: Outlook, replacement: Replacement) -> Outlook:
    """Return the outlook for a range that begins later by now: only what lies before it is looked at anew."""
    cut, unknown = _before_the_range(look, replacement)
    within = [loss for loss in outlook.losses if loss.before is None]
    return Outlook(replacement, (*cut, *within), tuple(dict.fromkeys((*unknown, *outlook.unknown))))


def _before_the_range(look: LossLook, replacement: Replacement) -> tuple[list[Loss], list[str]]:
    if (before := replacement.before) is None or (rows := look.rows_in(before)) == 0:
        return [], []
    if rows is None:
        return [], [f"the rows of {replacement.first} before the range cannot be counted"]
    return [Loss(utc_day(replacement.begins), rows, before=replacement.begins)], []


def hold_no_loss(look: LossLook, outlook: Outlook) -> None:
    """Raise WouldLoseError where a backfill would take something away, with what to do instead."""
    if not outlook.losses:
        return
    asked = outlook.replacement
    longer = dict[int, Surplus]()
    within = [loss for loss in outlook.losses if loss.before is None]

    def beyond_postgres(of: Replacement) -> bool:
        if of.days == asked.days:
            return bool(within)
        if of.days < asked.days:
            # a part of what was looked at is not looked at again; beside a loss, what could not be told may be one
            return bool(within and outlook.unknown) or any(loss.day >= of.first for loss in within)
        if of.days not in longer:
            longer[of.days] = look.beyond_postgres(of.within)
        found = longer[of.days]
        return bool(found.losses) or bool(found.unknown and not outlook.unknown)

    safe = safe_days(asked, cuts=lambda of: _cuts(look, of), beyond_postgres=beyond_postgres)
    msg = (
        f"No backfill was started: one of {asked.days} days would take {losses_in_words(outlook.losses)} out of "
        f"the lake, by {look.by}."
    )
    raise WouldLoseError(msg, _advice(safe), outlook.losses, safe)


def _cuts(look: LossLook, replacement: Replacement) -> bool:
    return replacement.before is not None and look.may_hold(replacement.before)


def _advice(safe: int | None) -> str:
    if safe is None:
        return f"No number of days is safe: check the lake as it is (--skip-backfill), or {ACCEPT}."
    return f"--backfill-days {safe} takes nothing away; --skip-backfill checks the lake as it is; {ACCEPT}."


@dataclass(frozen=True)
class SeenBefore:
    """The lake as it was before a backfill: its files by date, and the first date's rows by the minute."""

    files: DateFiles
    minutes: Mapping[date, Mapping[datetime, int]] = field(default_factory=dict)


def look_before(look: LossLook, replacement: Replacement) -> SeenBefore:
    """Remember what a backfill may take away."""
    edges = {replacement.first, utc_day(replacement.begins)}
    return SeenBefore(look.files(), {day: look.times_of(day) for day in edges})


@dataclass(frozen=True)
class TakenAway:
    """What a backfill has taken out of the lake; `accepted` are the losses of dates that were told before it."""

    losses: tuple[Loss, ...] = ()
    accepted: tuple[Loss, ...] = ()

    @property
    def findings(self) -> list[Finding]:
        """Both as findings: what was accepted is told and not flagged."""
        return [
            Finding(
                diagnosis="taken away by the backfill",
                flagged=flagged,
                summary=f"the backfill took away {taken_in_words(losses)}",
                evidence="the lake's files and rows before and after it were compared",
                days=tuple(sorted({loss.day for loss in losses})),
                rows=rows_lost(losses),
                next_step=BRINGS_BACK,
            )
            for losses, flagged in ((self.losses, True), (self.accepted, False))
            if losses
        ]


def taken_in_words(losses: Sequence[Loss]) -> str:
    """Say what a backfill took away that it was not asked to replace."""
    told = [
        f"{'the rows' if loss.rows is None else count_of(loss.rows, 'row')} of {loss.day}"
        + (f" before {loss.before:%H:%M}" if loss.before else "")
        for loss in losses
    ]
    more = f" and of {len(told) - _NAMED} dates more" if len(told) > _NAMED else ""
    return f"{'; '.join(told[:_NAMED]) or 'nothing'}{more}"


def taken_away(
    before: SeenBefore, after: LossLook, result: BackfillResult, asked_days: int, retired: Callable[[date], bool]
) -> tuple[Loss, ...]:
    """Return what a backfill has taken out of the lake: of its first date before the range, and of whole dates.

    `retired` says of a date whether retention may have removed it meanwhile, by design.
    """
    target = result.target_inserted_at
    asked = Replacement(asked_days, target, target)
    now = after.files()
    cut = _cut_off(before, now, after, result.backfill_from_ts)
    of_dates = [
        loss
        for day in sorted(before.files)
        if (cut is None or day != cut.day) and (loss := _of_date(day, before, now, asked, retired))
    ]
    return (*([cut] if cut else []), *of_dates)


def _cut_off(before: SeenBefore, now: DateFiles, after: LossLook, begins: datetime) -> Loss | None:
    """Return the rows of the range's first date that are gone, of the minutes before the range.

    Of a date at which the range was not to begin only the files are known.
    """
    day = utc_day(begins)
    if day not in before.minutes:
        rows = gone_from(before.files.get(day, {}), now.get(day, {}))
        return None if rows == 0 else Loss(day, rows, before=begins)
    minutes = before.minutes[day]
    there = after.times_of(day) if minutes else {}
    gone = sum(
        max(0, rows - there.get(minute, 0))
        for minute, rows in minutes.items()
        if minute + timedelta(minutes=1) <= begins
    )
    return Loss(day, gone, before=begins) if gone else None


def _of_date(
    day: date, before: SeenBefore, now: DateFiles, asked: Replacement, retired: Callable[[date], bool]
) -> Loss | None:
    """Return what is gone of a date by its files: of one in the range only where nothing is left of it."""
    files, left = before.files[day], now.get(day, {})
    if retired(day) and not left:
        return None
    if day in asked.dates:
        return Loss(day, _rows_of(files)) if files and not left else None
    lost = gone_from(files, left)
    return None if lost == 0 else Loss(day, lost)


def _rows_of(files: FilesOfDate) -> int | None:
    return None if None in files.values() else sum(filter(None, files.values()))


def emptied_dates(before: SeenBefore, after: DateFiles, replacement: Replacement) -> list[date]:
    """Return the dates that an unfinished backfill has removed and not written again."""
    return [day for day in replacement.dates if before.files.get(day) and not after.get(day)]


def emptied_in_words(days: list[date]) -> str:
    """Say which dates an unfinished backfill has left empty."""
    were = "was" if len(days) == 1 else "were"
    return (
        f"{days_in_words(days)} {were} left empty by a backfill that did not end: another one writes them again."
    )
