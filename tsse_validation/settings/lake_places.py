"""Whether a directory is a lake's hot or cold one: looked at from outside, before anything is contacted."""

from collections.abc import Iterable
from pathlib import Path

from tsse_validation.domain.contract import DATASET
from tsse_validation.domain.stack import STATE_DIR
from tsse_validation.settings.files import UnreadableError, is_there, look_at_directory, unreadable

STATE_FILES = ("replication.json", "manifest.json")
_BELOW = tuple(map(Path, ("hot", "lake/hot", "analysis/lake/hot", "storage/analysis/lake/hot")))
"""Where a lake lies below a directory that is often named in its place (contract section 4)."""
_DEEPEST = 4
"""How far above a directory of the lake's inside its root is: metrics/v1/date=…/shard=…."""


def hold_hot_directory(hot: Path) -> None:
    """Hold that a directory is a lake's hot one: state lies in it.

    Raises:
        ValueError: it is not; what it is instead is said.
        UnreadableError: this user may not read it.
    """
    names = look_at_directory(hot)
    if is_there(hot / STATE_DIR):
        _hold_readable(hot)
        return
    if not _without_litter(names):
        raise ValueError("is empty: there is no lake there yet")
    if below := _first_lake(hot / place for place in _BELOW):
        msg = f"is no lake, but a directory above one: give {below}"
        raise ValueError(msg)
    if above := _first_lake(hot.absolute().parents[:_DEEPEST]):
        msg = f"is no lake, but a directory inside of one: give {above}"
        raise ValueError(msg)
    if is_there(hot / DATASET):
        msg = f"has {DATASET} and no {STATE_DIR}: is it a cold directory? Give the hot one"
        raise ValueError(msg)
    msg = f"is no lake: there is no {STATE_DIR} in it"
    raise ValueError(msg)


def hold_cold_directory(cold: Path, hot: Path | None) -> None:
    """Hold that a directory is a lake's cold one, which may be empty still; errors as in `hold_hot_directory`."""
    names = look_at_directory(cold)
    if hot is not None:
        _hold_apart(cold.resolve(), hot.resolve())
    if is_there(cold / STATE_DIR):
        msg = f"is a hot directory: there is {STATE_DIR} in it"
        raise ValueError(msg)
    if is_there(cold / DATASET):
        look_at_directory(cold / DATASET)
    elif _without_litter(names):
        msg = f"is no cold directory: there is no {DATASET} in it"
        raise ValueError(msg)


def _hold_readable(hot: Path) -> None:
    """Look at all that every reader needs: the files are another user's as a rule, each with its own mode."""
    for place in (hot / STATE_DIR, hot / DATASET):
        if is_there(place):
            look_at_directory(place)
    for name in STATE_FILES:
        path = hot / STATE_DIR / name
        try:
            path.open("rb").close()
        except PermissionError:
            raise UnreadableError(unreadable(path)) from None
        except OSError:
            continue  # what is missing or torn is judged in its step


def _hold_apart(cold: Path, hot: Path) -> None:
    if cold == hot:
        raise ValueError("is the hot directory")
    if cold.is_relative_to(hot):
        msg = f"lies in the hot directory {hot}"
        raise ValueError(msg)
    if hot.is_relative_to(cold):
        msg = f"holds the hot directory {hot}"
        raise ValueError(msg)


def _first_lake(places: Iterable[Path]) -> Path | None:
    for place in places:
        try:
            if is_there(place / STATE_DIR) and place.is_dir():
                return place
        except UnreadableError:
            continue
    return None


def _without_litter(names: list[str]) -> list[str]:
    """Return the names that a person has put there: not what systems and NAS leave in every directory."""
    return [name for name in names if not name.startswith((".", "@", "#")) and name != "lost+found"]
