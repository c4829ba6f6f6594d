"""One file of a lake, opened to see that this user may: the newest that is found by a short look."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tsse_validation.domain.contract import DATASET
from tsse_validation.domain.errors import PromiseBrokenError
from tsse_validation.settings.files import UnreadableError, unreadable


@dataclass(frozen=True)
class ExampleFile:
    """A file that was opened, relative to its root, with its rows; `dates` are those that the root has."""

    path: Path
    rows: int
    dates: int
    first: str
    last: str


def open_example(root: Path) -> ExampleFile | None:
    """Open the newest file below a hot or cold directory, or return `None` where there is none.

    Raises:
        UnreadableError: this user may not enter a directory on the way, or not read the file.
        PromiseBrokenError: it is no Parquet file.
    """
    days = [name.removeprefix("date=") for name in _names(root / DATASET) if name.startswith("date=")]
    for day in reversed(days):
        for path in _files(root / DATASET / f"date={day}"):
            try:
                rows = pq.read_metadata(path).num_rows
            except FileNotFoundError:  # compaction has just replaced it
                continue
            except PermissionError:
                raise UnreadableError(unreadable(path)) from None
            except (pa.ArrowException, OSError):
                msg = f"{path} cannot be read as Parquet."
                raise PromiseBrokenError(msg, "Is it whole? A run says what it means.") from None
            return ExampleFile(path.relative_to(root), rows, len(days), days[0], days[-1])
    return None


def _files(day: Path) -> Iterator[Path]:
    for shard in _names(day):
        for name in _names(day / shard):
            if name.endswith(".parquet") and not name.startswith("."):
                yield day / shard / name


def _names(directory: Path) -> list[str]:
    try:
        return sorted(os.listdir(directory))  # noqa: PTH208 - names alone
    except PermissionError:
        raise UnreadableError(unreadable(directory)) from None
    except (FileNotFoundError, NotADirectoryError):
        return []
