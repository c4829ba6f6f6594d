"""Findings about the lake's files: pure. `row_triage` has those about rows."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date
from itertools import islice
from pathlib import Path
from typing import TypeVar

from tsse_validation.diagnosis.tally import NAMED_SENSORS, healable
from tsse_validation.domain.phrasing import count_of, days_in_words
from tsse_validation.lake.file_checks import FileProblem
from tsse_validation.lake.reader import LakeFile, LakeListing
from tsse_validation.lake.shards import shards_that_fit
from tsse_validation.runlog.records import Finding

_NAMED_FILES = 5
_REASON_CHARACTERS = 200
_MALFORMED = {
    "readable": "unreadable file",
    "schema": "wrong schema",
    "shard": "wrong shard",
    "date": "wrong date",
    "duplicates": "duplicate rows",
}
"""What each of `aspects.FILE_ASPECTS` is called when it is violated."""

Item = TypeVar("Item")


def unreadable_files(files: Mapping[LakeFile, str]) -> Finding | None:
    """Return the finding for files that could not be read, or `None` when there are none."""
    if not files:
        return None
    named = "; ".join(f"{_name(file)}: {reason[:_REASON_CHARACTERS]}" for file, reason in _few(files.items()))
    days = sorted({file.day for file in files})
    summary = f"{count_of(len(files), 'file')} on {days_in_words(days)}"
    return healable("unreadable file", summary, f"what they hold is not known: {named}", days=tuple(days))


def malformed_files(aspect: str, problems: Sequence[FileProblem]) -> Finding | None:
    """Return the finding for files that are not as the contract wants them (section 4), or `None`."""
    if not problems:
        return None
    days = sorted({problem.file.day for problem in problems})
    sensors = sorted({sensor for problem in problems for sensor in problem.sensors})
    return healable(
        _MALFORMED[aspect],
        f"{count_of(len(problems), 'file')} on {days_in_words(days)}",
        "; ".join(map(str, _few(problems))) + (_by_another_number(problems) if aspect == "shard" else ""),
        sensors=tuple(sensors[:NAMED_SENSORS]),
        days=tuple(days),
        rows=sum(problem.rows for problem in problems),
    )


def _by_another_number(problems: Sequence[FileProblem]) -> str:
    """Say so where all stand as another number of shards puts them: then the option is wrong, not the lake."""
    shards = shards_that_fit({(sensor, one.file.shard) for one in problems for sensor in one.sensors})
    return "" if shards is None else f"; all of them stand where {shards} shards put them: is --shards right?"


def leftover_files(paths: Sequence[Path]) -> Finding | None:
    """Return the finding for temporary files that stay, of a write torn off (contract section 4); or `None`."""
    if not paths:
        return None
    return Finding(
        diagnosis="leftover temporary file",
        flagged=True,
        summary=f"{count_of(len(paths), 'temporary file')} left over",
        evidence="no file in the making is that old: " + ", ".join(map(str, _few(paths))),
        next_step="Look at the controller's log for the write that was torn off, then remove them.",
    )


def litter_left(paths: Sequence[Path]) -> Finding | None:
    """Return the finding for what operating systems have left in the lake, which is not flagged; or `None`."""
    if not paths:
        return None
    return Finding(
        diagnosis="litter in the lake",
        flagged=False,
        summary=f"{count_of(len(paths), 'name')} that a desktop or a network share leaves behind",
        evidence="no file of the lake, and not read: " + ", ".join(map(str, _few(paths))),
        next_step="Nothing for parity. Remove them, and keep Finder and its like away: another reader may trip.",
    )


def manifest_findings(listing: LakeListing, wanted: Collection[date]) -> Iterator[Finding]:
    """Yield where manifest and directories differ without the loss of a row: these findings are not flagged.

    `wanted` are the dates with due rows: one without a file is a missing partition, and is left out here.
    """
    bare = sorted(day for day in listing.named if day not in listing.days() and day not in wanted)
    if bare:
        evidence = "named, without a file and without a row in Postgres"
        yield _harmless("manifest names what is not there", bare, evidence)
    unnamed = sorted(day for day in listing.days() if day not in listing.named)
    if unnamed:
        yield _harmless("manifest does not name what is there", unnamed, "files of a date that it leaves out")
    if listing.shadowed:
        shadowed = sorted({file.day for file in listing.shadowed})
        yield _harmless(
            "hidden by the manifest",
            shadowed,
            f"{count_of(len(listing.shadowed), 'file')} in the place that it does not name, such as "
            f"{listing.shadowed[0].path}",
        )


def _harmless(diagnosis: str, days: Sequence[date], evidence: str) -> Finding:
    return Finding(
        diagnosis=diagnosis,
        flagged=False,
        summary=f"{count_of(len(days), 'date')}: {days_in_words(days)}",
        evidence=evidence,
        days=tuple(days),
        next_step="Nothing, while parity holds; retention or a backfill puts the manifest right.",
    )


def _few(items: Iterable[Item]) -> list[Item]:
    return list(islice(items, _NAMED_FILES))


def _name(file: LakeFile) -> str:
    return f"date={file.day}/shard={file.shard}/{file.path.name}"
