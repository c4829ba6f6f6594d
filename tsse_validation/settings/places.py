"""Where a run may write: never in the lake."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from platformdirs import user_cache_path

from tsse_validation.settings.definitions import Settings


def places_in_the_lake(settings: Settings, places: Mapping[str, Path | None]) -> Iterator[str]:
    """Yield a complaint for each place to write to that lies in the lake, where nothing of ours may ever be.

    `places` are named as the user knows them; temporary, working and cache directory are looked at in any case.
    """
    # not tempfile.gettempdir(): it tries the directory by writing into it
    temporary = [os.environ.get(name) for name in ("TMPDIR", "TEMP", "TMP")]
    ours = {
        **places,
        "the temporary directory (TMPDIR)": next((Path(path) for path in temporary if path), None),
        "the working directory": Path.cwd(),
        "the cache directory (XDG_CACHE_HOME)": cache_directory(),
    }
    for name, place in ours.items():
        for option, lake in (("--hot-path", settings.hot_path), ("--cold-path", settings.cold_path)):
            if place and lake and place.resolve().is_relative_to(lake.resolve()):
                yield f"{name} {place} lies in the lake ({option} {lake}): choose a place outside of it"


def cache_directory() -> Path:
    """Return the directory in which this user's runs on this machine leave notes for each other."""
    return user_cache_path("tsse-validation", appauthor=False)
