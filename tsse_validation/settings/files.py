"""Files and directories that a person names: looked at, and read in bounded size, with words for what is wrong."""

import os
import pwd
import stat
from collections.abc import Callable
from pathlib import Path

_KINDS: tuple[tuple[Callable[[int], bool], str], ...] = (
    (stat.S_ISDIR, "it is a directory"),
    (stat.S_ISFIFO, "it is a pipe"),
    (stat.S_ISSOCK, "it is a socket"),
    (stat.S_ISCHR, "it is a device"),
    (stat.S_ISBLK, "it is a device"),
)
NO_FILE = "is not a file that can be found"
RUN_AS_OWNER = "run as its owner, or give what this user may read"


class UnreadableError(Exception):
    """Something is there, or lies where this user may not look, and this user may not read it."""


def look_at_file(path: Path) -> None:
    """Hold that a path is a file which this user may open.

    Raises:
        ValueError: it is not there, or is no file; what it is, is said.
        UnreadableError: this user may not enter a directory on the way, or may not read it.
    """
    read_file(path, 1)


def read_file(path: Path, most: int) -> bytes:
    """Return the first bytes of a file; a pipe or device is never opened. Errors as in `look_at_file`."""
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            what = next((words for matches, words in _KINDS if matches(mode)), "it is something else")
            msg = f"{NO_FILE}: {what}"
            raise ValueError(msg)
        with path.open("rb") as stream:
            return stream.read(most)
    except PermissionError:
        raise UnreadableError(unreadable(path)) from None
    except OSError as error:
        raise ValueError(NO_FILE if _is_missing(error) else f"cannot be read: {error.strerror}") from None


def look_at_directory(path: Path) -> list[str]:
    """Return the names in a directory.

    Raises:
        ValueError: it is not there, or is no directory.
        UnreadableError: this user may not enter or list it.
    """
    try:
        names = os.listdir(path)  # noqa: PTH208 - names alone, and without a look at each
        (path / ".").stat()
    except PermissionError:
        raise UnreadableError(unreadable(path)) from None
    except NotADirectoryError:
        raise ValueError("is not a directory" if path.is_file() else "is not there") from None
    except OSError as error:
        raise ValueError("is not there" if _is_missing(error) else f"cannot be read: {error.strerror}") from None
    return names


def is_there(path: Path) -> bool:
    """Whether a path is there; raises UnreadableError when this user may not look."""
    try:
        path.stat()
    except PermissionError:
        raise UnreadableError(unreadable(path)) from None
    except OSError:
        return False
    return True


def unreadable(path: Path) -> str:
    """Say whose a path is that this user may not read, or which directory on the way may not be entered."""
    seen = next((place for place in (path, *path.parents) if _owner(place)), None)
    owner = _owner(seen) if seen else ""
    if seen is None or seen == path:
        return f"this user may not read {path}, which is {owner}'s" if owner else f"this user may not read {path}"
    return f"this user may not read {path}: {seen} is {owner}'s, and may not be entered"


def _is_missing(error: OSError) -> bool:
    return isinstance(error, FileNotFoundError | NotADirectoryError)


def _owner(path: Path) -> str:
    """Return the name of a path's owner, or nothing where it cannot be seen."""
    try:
        number = path.stat().st_uid
    except OSError:
        return ""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"
