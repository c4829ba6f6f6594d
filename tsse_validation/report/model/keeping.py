"""The command that keeps the evidence of a run before anything replaces it: it reads, and writes beside. Pure."""

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import date

from tsse_validation.diagnosis.tally import NAMED_SENSORS
from tsse_validation.domain.contract import DATASET
from tsse_validation.domain.stack import STATE_DIR, Capability
from tsse_validation.lake.shards import shard_of
from tsse_validation.report.model.commands import line_of, quoted
from tsse_validation.runlog.records import Finding
from tsse_validation.runlog.result import RunResult
from tsse_validation.runlog.setting_record import NOT_SET

_LONGEST_ID = 200
"""Characters of a run's id: what is longer names no directory."""
_MOST_PLACES = 60
"""Directories that a command names: beyond them it takes whole dates, and then the whole dataset."""
_DATE = re.compile(r"date=(\d{4}-\d\d-\d\d)", re.ASCII)
_NO_PATHS = {"none", NOT_SET, ""}


def keep_evidence(result: RunResult) -> str:
    """Return a command that copies the run's folder, the lake's state and the files concerned, once.

    It makes a directory that must not be there yet, so that no second call takes the evidence of the first away.
    """
    target = f"tsse-evidence-{_run_id(result)}"
    steps = [line_of(["mkdir", target]), line_of(["cp", "-pR", run_folder(result), f"{target}/run"])]
    roots = lake_roots(result)
    sudo = "sudo " if roots and not reads_the_lake(result) else ""
    if roots:
        steps.append(_copied(roots, places_concerned(result), target, sudo=sudo))
    # what root has packed is root's
    return " && ".join([*steps, f"{sudo}{line_of(['chmod', '-R', 'a-w', target])}"])


def run_folder(result: RunResult) -> str:
    """Return the run's folder, as it was named where the run was begun."""
    report_dir = result.started.value_of("report_dir", "reports")
    return f"{report_dir.rstrip('/')}/{_run_id(result)}"


def _run_id(result: RunResult) -> str:
    return result.started.run_id[:_LONGEST_ID]


def reads_the_lake(result: RunResult) -> bool:
    """Whether this user could read the lake's files."""
    return result.stack is not None and Capability.LAKE not in result.stack.absent


def lake_roots(result: RunResult) -> list[str]:
    """Return the lake's hot and cold directory: those read, else those that the controller names; or nothing.

    Of what the controller names only whole paths count: a command may be run as root, and would take a word that
    begins with a hyphen for an option.
    """
    if result.stack is None or result.stack.owned:
        return []
    told = next((check.facts for check in result.checks if "hot path" in check.facts), {})
    if reads_the_lake(result):
        roots = [result.started.value_of("hot_path"), result.started.value_of("cold_path")]
    else:
        named = [told.get("hot path", ""), told.get("cold path", "")]
        roots = [root for root in named if root.startswith("/") and root.strip("/")]
    return [root for root in roots if root not in _NO_PATHS]


def places_concerned(result: RunResult) -> list[str]:
    """Return the directories below the dataset that hold what differs: shard-days, or dates; all, if too many."""
    shards = shards_of_run(result)
    flagged = [finding for finding in result.findings if finding.flagged]
    places = sorted({place for finding in flagged for place in _places_of(finding, shards)})
    if len(places) <= _MOST_PLACES:
        return places
    dates = sorted({place.split("/", 1)[0] for place in places})
    return dates if len(dates) <= _MOST_PLACES else [""]


def _places_of(finding: Finding, shards: int) -> Iterator[str]:
    named_all = finding.sensors and len(finding.sensors) < NAMED_SENSORS
    of_shards = sorted({f"/shard={shard_of(sensor, shards)}" for sensor in finding.sensors}) if named_all else [""]
    for day in finding.days:
        yield from (f"date={day}{shard}" for shard in of_shards)
    yield from (f"date={day}" for day in dates_told(finding))


def dates_told(finding: Finding) -> list[date]:
    """Return the dates under which rows of a finding stand, where that is another date's partition."""
    found = []
    for text in _DATE.findall(finding.summary):
        with suppress(ValueError):
            found.append(date.fromisoformat(text))
    return found


def shards_of_run(result: RunResult) -> int:
    """Return into how many shards the lake is divided."""
    text = result.started.value_of("shards")
    return int(text) if text.isdecimal() and int(text) else 16


def _copied(roots: Sequence[str], places: Sequence[str], target: str, *, sudo: str) -> str:
    """Return the part that packs what is there: what a lake has lost is no error of the copying."""
    wanted = [f"*/{STATE_DIR}/*", *(f"*/{DATASET}/{place}/*" if place else f"*/{DATASET}/*" for place in places)]
    chosen = " -o ".join(f"-path {quoted(pattern)}" for pattern in wanted)
    found = rf"find -L {line_of(roots)} -type f \( {chosen} \) -print0"
    return f"{sudo}{found} | {sudo}tar -c -h --null -T - -f {quoted(f'{target}/lake.tar')}"
