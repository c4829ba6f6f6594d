"""Settings that were, and what to use in their place: whoever still gives one is told so, and never ignored."""

import os
from collections.abc import Iterator, Mapping
from typing import Any

from tsse_validation.settings.definitions import ENV_PREFIX, option_of

REMOVED: Mapping[str, str] = {"require_direct": "use --require proof (which is the default)"}
"""Each removed setting with the hint on its successor."""


def removed_complaints(layers: list[tuple[str, Mapping[str, Any]]]) -> Iterator[str]:
    """Yield a line for each removed setting that a source gives; `layers` are sources with their values.

    The environment is looked at itself, since what no setting is called is not taken from it.
    """
    for name, hint in REMOVED.items():
        for source, values in layers:
            if name in values:
                yield f"{option_of(name)} ({source}) is no setting any more: {hint}"
        for variable in sorted(os.environ):
            if variable.upper() == f"{ENV_PREFIX}{name.upper()}" and os.environ[variable]:
                yield f"{variable} (environment) is no setting any more: {hint}"
