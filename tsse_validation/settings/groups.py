"""How the settings are shown in a help text: in named groups, each with the kind of its value."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from tsse_validation.domain.durations import Duration
from tsse_validation.settings.definitions import Settings

_FIRST: Mapping[str, str] = {
    "base_url": "What is validated",
    "require": "How much is proven",
    "soak": "Soak",
    "connect_timeout": "Limits of time and load",
    "stack": "Stack of our own",
    "release_label": "Output",
}
"""The first setting of each group, in the order in which they are defined."""
_DIRECTORIES = ("_path", "_dir")


def grouped_settings() -> Iterator[tuple[str, list[str]]]:
    """Yield each group's title with the names of its settings, in their order."""
    names = list(Settings.model_fields)
    starts = [names.index(first) for first in _FIRST]
    for title, start, end in zip(_FIRST.values(), starts, [*starts[1:], len(names)], strict=True):
        yield title, names[start:end]


def group_of(name: str) -> str:
    """Return the title of a setting's group."""
    return next(title for title, names in grouped_settings() if name in names)


def value_kind(name: str) -> str:
    """Return what stands for a setting's value in a help text: its unit, its choices, or what it names."""
    kind = plain_type(Settings.model_fields[name].annotation)
    if issubclass(kind, StrEnum):
        return "|".join(kind)
    if issubclass(kind, Path):
        return "DIR" if name.endswith(_DIRECTORIES) else "FILE"
    known = {float: "SECONDS", int: "N", datetime: "INSTANT", tuple: "A,B", Duration: "DURATION"}
    return known.get(kind) or name.rsplit("_", 1)[-1].upper()


def plain_type(annotation: Any) -> type:
    """Return the type of a field without what may be missing, and without its rules."""
    while get_origin(annotation) in {Annotated, Union, UnionType}:
        annotation = get_args(annotation)[0]
    kind: type = get_origin(annotation) or annotation
    return kind
