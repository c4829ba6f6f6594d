"""The run after this one: its command with all options given, but for those that keep it from GO. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from tsse_validation.domain.assurance import Assurance
from tsse_validation.domain.contract import BACKFILL_GATE_DAYS
from tsse_validation.domain.instants import utc_day
from tsse_validation.domain.phrasing import listed
from tsse_validation.domain.replacement import MOST_DAYS
from tsse_validation.grading import narrowing_settings
from tsse_validation.parity.landmarks import EDGES
from tsse_validation.report.model.commands import given_options, helper, run_again, untold
from tsse_validation.report.model.keeping import run_folder
from tsse_validation.runlog.result import RunResult
from tsse_validation.settings.definitions import option_of
from tsse_validation.settings.fields import Level

_BACKFILL_TAKES = (
    "base_url",
    "auth_token_file",
    "ca_file",
    "poll_interval",
    "database_url",
    "setup_config",
    "hot_path",
    "cold_path",
    "leftover_after",
)
"""Options of a run that `tsse-validate backfill` takes, but for `--accept-loss`: a loss is accepted once."""


@dataclass(frozen=True)
class NextRun:
    """The command, and in a sentence or two what was changed in it; `days` is what its step 4 backfills."""

    command: str
    said: str
    days: int


def next_run(result: RunResult, *, after_a_repair: bool = False) -> NextRun:
    """Return the run that can end in GO, where this one did not.

    After a repair it backfills a day more: one as long would begin later, and cut the date at which that began.
    """
    days, gone = min(backfill_days(result) + after_a_repair, MOST_DAYS), dict(_in_the_way(result))
    changes = dict.fromkeys(gone, "")
    if days != _given_days(result):
        changes["backfill_days"] = str(days)
    said = [f"Left out: {listed([f'{option_of(name)} ({why})' for name, why in gone.items()])}."] if gone else []
    if _soak_goes_on(result):
        changes["resume"] = f"{run_folder(result)}/run.jsonl"
        said.append("By --resume its soak is gone on with: what it has proven counts.")
    return NextRun(run_again(result, changes), " ".join([*said, *_secrets(result)]), days)


def _soak_goes_on(result: RunResult) -> bool:
    """Whether the next run can go on with the soak: it was interrupted, and nothing speaks against it."""
    seen, stack = result.soak_seen, result.stack
    if seen is None or not seen.samples or seen.ended == "completed" or stack is None or stack.owned:
        return False
    against = result.soak_breaches or any(finding.flagged for finding in result.findings)
    return not against and not any(slice_.differing for slice_ in result.soak_slices)


def repair_command(result: RunResult, days: int) -> str:
    """Return the command of the backfill alone; it looks before it starts, and takes no row away."""
    more = {"backfill_days": str(days), "replace_existing": "True", "wait": "True"}
    return helper(result, "backfill", _BACKFILL_TAKES, more)


def _given_days(result: RunResult) -> int:
    text = given_options(result).get("backfill_days", "")
    return int(text) if text.isdecimal() else BACKFILL_GATE_DAYS


def backfill_days(result: RunResult) -> int:
    """Return how long a backfill is that reaches what it heals and what the gate asks for, and cuts no date.

    A range that begins within a date that the lake holds would take away what lies before it (contract section 3).
    """
    now = utc_day(result.finished.at if result.finished else result.started.at)
    wanted = [BACKFILL_GATE_DAYS, _given_days(result)]
    wanted += [found.safe_days for found in result.findings if found.safe_days is not None]
    wanted += [(now - day).days + 1 for day in _days_that_heal(result)]
    held = _dates_held(result)
    if not held:
        wanted += [seen.days + 1 for seen in result.backfills if seen.status == "completed"]
    longer = range(min(max(wanted), MOST_DAYS), MOST_DAYS + 1)
    return next((days for days in longer if now - timedelta(days=days) not in held), longer[0])


def _days_that_heal(result: RunResult) -> set[date]:
    return {day for found in result.findings if found.flagged and found.heals_by_backfill for day in found.days}


def _dates_held(result: RunResult) -> set[date]:
    """Return the dates of which the lake had files when it was last inspected."""
    seen = [look for look in result.partitions if look.source == "inspection"]
    return {of.day for of in seen[-1].dates if of.files != 0} if seen else set()


def _in_the_way(result: RunResult) -> Iterator[tuple[str, str]]:
    """Yield the settings that are left out, each with the reason."""
    given = given_options(result)
    if "skip_backfill" in given:
        yield "skip_backfill", "GO needs a backfill in the run that proves it"
    if "skip_qdrant" in given:
        yield "skip_qdrant", "GO needs Qdrant"
    if "resume" in given and not _soak_goes_on(result):
        yield "resume", "what a backfill has replaced is compared anew"
    if "accept_loss" in given:
        yield "accept_loss", "a loss is accepted once, by whoever has looked at it"
    if given.get("level") == Level.COUNT.value and result.started.required is Assurance.PROOF:
        yield "level", "counts prove no value"
    yield from (
        (name, "all sensors are to be counted, over the whole range") for name in narrowing_settings(result)
    )
    for name, fewest in _fewest_windows().items():
        if given.get(name, "").isdecimal() and int(given[name]) < fewest:
            yield name, "GO needs windows"


def _fewest_windows() -> Mapping[str, int]:
    """Return with how many windows step 7 draws any at all."""
    return {"max_windows": len(EDGES), "max_job_windows": 1}


def _secrets(result: RunResult) -> Iterator[str]:
    """Yield what must be given again, for no report tells it."""
    if variables := untold(result):
        yield f"Set {listed(variables)} first: no report tells a secret."
    if "database_url" in given_options(result):
        yield "A password for Postgres comes from PGPASSFILE: no report tells one."
