"""Where a run may write: never in the lake."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from platformdirs import user_cache_path

from tsse_validation.domain.errors import AccessError, SettingsError
from tsse_validation.settings.definitions import Settings
from tsse_validation.settings.files import UnreadableError, is_there

_ANOTHER_PLACE = "Have it made writable, or name another place."


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


def hold_writable(path: Path) -> Path:
    """Hold that this user may write a path, and return it, or the nearest above it that is there.

    Nothing is written to find out. Raises AccessError with what is in the way.
    """
    try:
        place = next(place for place in (path.absolute(), *path.absolute().parents) if is_there(place))
    except UnreadableError as error:
        msg = f"{error}."
        raise AccessError(msg, _ANOTHER_PLACE) from None
    directory = place.is_dir()
    if place != path.absolute() and not directory:
        msg = f"{place} is not a directory."
        raise AccessError(msg, _ANOTHER_PLACE)
    wanted = os.W_OK | (os.X_OK if directory else 0)
    if not os.access(place, wanted, effective_ids=os.access in os.supports_effective_ids):
        msg = f"this user may not write to {place}."
        raise AccessError(msg, _ANOTHER_PLACE)
    return place


def hold_all_writable(places: Mapping[str, Path | None]) -> None:
    """Hold that each place can be written, named as the user knows it.

    Raises SettingsError with a line for each that cannot.
    """
    complaints = []
    for name, place in places.items():
        try:
            if place is not None:
                hold_writable(place)
        except AccessError as error:
            complaints.append(f"{name} {place} cannot be written: {error}")
    if complaints:
        raise SettingsError("\n".join(complaints))


def cache_directory() -> Path:
    """Return the directory in which this user's runs on this machine leave notes for each other."""
    return user_cache_path("tsse-validation", appauthor=False)
