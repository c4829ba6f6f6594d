"""Tries of files and directories that settings name: tokens, certificates, the lake, where a run writes."""

import shutil
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from tsse_validation.domain.errors import AccessError
from tsse_validation.domain.instants import format_rfc3339
from tsse_validation.domain.phrasing import count_of
from tsse_validation.domain.stack import LakePaths
from tsse_validation.lake.example_file import open_example
from tsse_validation.lake.reader import LakeReader
from tsse_validation.runlog.setting_record import TryOutcome
from tsse_validation.settings.credentials import others_can_read
from tsse_validation.settings.definitions import Settings, option_of
from tsse_validation.settings.loading import DEFAULT
from tsse_validation.settings.places import hold_writable
from tsse_validation.settings.trying import local_tries
from tsse_validation.steps.attempts import Attempt, Chain, Seen

SCARCE_BYTES = 200 * 2**20
"""Less than this may not do for the reports of a run that finds much."""
_MIB = 2**20
_TOKENS = ("auth_token_file", "view_token_file")


def files_tried(settings: Settings, sources: Mapping[str, str]) -> Chain:
    """Yield the tries of single files; a token's content is looked at, and never told."""
    for name, attempt in local_tries(settings):
        if name not in _LAKE:
            path: Path = getattr(settings, name)
            look = partial(_token_file if name in _TOKENS else _file, attempt, path)
            yield Attempt(option_of(name), sources.get(name, DEFAULT), partial(str, path), look)


def _file(attempt: Callable[[], object], _path: Path) -> Seen:
    attempt()
    return Seen("it can be read, and is what it should be.")


def _token_file(attempt: Callable[[], object], path: Path) -> Seen:
    attempt()
    if mode := others_can_read(path):
        found = f"a token is on its first line, but others can read it (mode {mode})."
        return Seen(found, TryOutcome.WARNED, f"Keep it to yourself: chmod 600 {path}")
    return Seen("a token is on its first line, and nobody else can read it.")


def lake_tried(settings: Settings, sources: Mapping[str, str], name: str) -> Chain:
    """Yield the try of the hot or the cold directory, by the name of its setting."""
    for tried, attempt in local_tries(settings):
        if tried == name:
            path: Path = getattr(settings, name)
            look = partial(_LAKE[name], attempt, path)
            yield Attempt(option_of(name), sources.get(name, DEFAULT), partial(str, path), look)


def _hot(attempt: Callable[[], object], path: Path) -> Seen:
    attempt()
    reader = LakeReader(LakePaths(path))
    watermark, named = reader.replication().computed_through_ts, reader.manifest().metrics.partitions
    until = format_rfc3339(watermark) if watermark else "none yet"
    return Seen(f"watermark {until}, {count_of(len(named), 'date')} in the manifest; {_example(path)}.")


def _cold(attempt: Callable[[], object], path: Path) -> Seen:
    attempt()
    return Seen(f"{_example(path)}.")


_LAKE: Mapping[str, Callable[[Callable[[], object], Path], Seen]] = {"hot_path": _hot, "cold_path": _cold}


def _example(root: Path) -> str:
    example = open_example(root)
    if example is None:
        return "no file is there yet"
    dates = f"{count_of(example.dates, 'date')} there, {example.first} to {example.last}"
    return f"{dates}; opened {example.path} with {count_of(example.rows, 'row')}"


def written_places_tried(settings: Settings, sources: Mapping[str, str]) -> Chain:
    """Yield the tries of where a run writes to; nothing is written to find out."""
    for name in ("report_dir", "step_summary"):
        path: Path | None = getattr(settings, name)
        if path is not None:
            yield Attempt(option_of(name), sources.get(name, DEFAULT), partial(str, path), partial(_written, path))


def _written(path: Path) -> Seen:
    """Look at the directory, or at the nearest above it that is there: the rest of the way would be made."""
    place = hold_writable(path)
    free = shutil.disk_usage(place).free
    if free == 0:
        msg = f"the disk of {place} is full."
        raise AccessError(msg, "Make room there, or name another place.")
    found = f"it can be written, and {free // _MIB:,} MiB are free."
    if free < SCARCE_BYTES:
        return Seen(found, TryOutcome.WARNED, "That may not do for the reports: make room, or name another place.")
    return Seen(found)
