"""Names that no setting has: whoever has misspelt one is told so, for a run that goes on without it looks well."""

import os
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from tsse_validation.settings.definitions import ENV_PREFIX, Settings, option_of
from tsse_validation.settings.removed import REMOVED

_ALIKE = 0.75
"""How alike two names must be for one to be taken for the other, misspelt: 1 is the same."""


def nearest_name(name: str, names: Iterable[str]) -> str | None:
    """Return the one of some names that is most like this one, or `None` when none is."""
    return next(iter(get_close_matches(name, list(names), n=1, cutoff=_ALIKE)), None)


def nearest_option(option: str) -> str | None:
    """Return the option of a setting that is most like an unknown option, or `None`."""
    return nearest_name(option.partition("=")[0], map(option_of, Settings.model_fields))


def misspelt_complaints(source: str, from_file: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each key of a file, which `source` names, and each variable, that looks like a setting.

    A key that looks like none is left to the settings' own check, which refuses it.
    """
    for key in from_file:
        if not _known(key) and (meant := nearest_name(key, Settings.model_fields)):
            yield f"{key} ({source}) is no setting: did you mean {meant}?"
    for variable, name in _variables():
        if meant := nearest_name(name, Settings.model_fields):
            yield f"{variable} (environment) is no setting: did you mean {ENV_PREFIX}{meant.upper()}?"


def unknown_variables() -> Iterator[str]:
    """Yield each variable that is named as ours are, and is none and like none: it may be somebody else's."""
    for variable, name in _variables():
        if nearest_name(name, Settings.model_fields) is None:
            yield variable


def _variables() -> Iterator[tuple[str, str]]:
    """Yield the variables that are named as ours are and are none, with what stands in the setting's place."""
    for variable, value in sorted(os.environ.items()):
        name = variable.upper().removeprefix(ENV_PREFIX).lower()
        if value and variable.upper().startswith(ENV_PREFIX) and not _known(name):
            yield variable, name


def _known(name: str) -> bool:
    return name in Settings.model_fields or name in REMOVED
