"""Reads the lake's directories and state files, never writes them (contract section 4)."""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from tsse_validation.domain.contract import DATASET, Manifest, Replication
from tsse_validation.domain.errors import AccessError, PromiseBrokenError
from tsse_validation.domain.stack import STATE_DIR, LakePaths
from tsse_validation.lake.working import Workers, local_workers

_PARTITION = re.compile(r"date=(\d{4}-\d{2}-\d{2})", re.ASCII)
_SHARD = re.compile(r"shard=(\d{2})", re.ASCII)
_TEMPORARY = ".parquet.tmp"
_LITTER = re.compile(
    r"\._.*|\.DS_Store|\.AppleDouble|\.apdisk|\.Spotlight-V100|\.fseventsd|\.Trashes|\.TemporaryItems"
    r"|\.nfs[0-9a-f]+|@eaDir|#recycle|Thumbs\.db|desktop\.ini",
    re.IGNORECASE | re.DOTALL,
)
"""What macOS, Windows and network shares leave beside files: `._NAME` is the shadow of NAME."""

State = TypeVar("State", bound=BaseModel)


@dataclass(frozen=True)
class LakeFile:
    """One Parquet file: its partition date, its shard, its place (hot or cold), its size in bytes and its age.

    `mtime_ns` is when it was written, in nanoseconds since 1970; two that differ in nothing else are equal.
    """

    path: Path
    day: date
    shard: str
    location: str
    size: int
    mtime_ns: int = field(default=0, compare=False)

    @property
    def there(self) -> bool:
        """Whether it is there still; one in a directory that this user may not enter any more may be."""
        try:
            return self.path.is_file()
        except PermissionError:
            return True

    @property
    def relative(self) -> str:
        """Its path within its place, with slashes."""
        return f"{DATASET}/date={self.day}/shard={self.shard}/{self.path.name}"


@dataclass(frozen=True)
class LakeListing:
    """The files of the lake's directories, from one walk over hot and cold.

    A date in both places is read where the manifest says: `files` has those files, `shadowed` those of the other
    place. `temporary` files are being written, or left over. `litter` is what operating systems leave behind, of
    which `masked` have the suffix of a file that is read. `foreign` is anything else. `named` are the manifest's
    dates.
    """

    files: tuple[LakeFile, ...]
    shadowed: tuple[LakeFile, ...] = ()
    temporary: tuple[Path, ...] = ()
    litter: tuple[Path, ...] = ()
    masked: tuple[LakeFile, ...] = ()
    foreign: tuple[Path, ...] = ()
    locations: Mapping[date, str] = field(default_factory=dict)
    named: frozenset[date] = frozenset()

    def days(self) -> set[date]:
        """Return the dates that have at least one file."""
        return {file.day for file in self.files}


class LakeReader:
    """Reads one lake by its directories; `workers` are those that digest its files, threads of ours by default."""

    def __init__(self, paths: LakePaths, workers: Workers | None = None) -> None:
        self.paths = paths
        self.workers = workers or local_workers()

    def replication(self) -> Replication:
        """Return `_state/replication.json`; raises PromiseBrokenError or AccessError when it cannot be read."""
        return self._state("replication.json", Replication)

    def manifest(self) -> Manifest:
        """Return `_state/manifest.json`; errors as in `replication`."""
        return self._state("manifest.json", Manifest)

    def listing(self) -> LakeListing:
        """Walk hot and cold once."""
        return self._listed(None)

    def listing_of(self, days: Collection[date]) -> LakeListing:
        """Walk some dates of hot and cold, and nothing beside them."""
        return self._listed(days)

    def _listed(self, days: Collection[date] | None) -> LakeListing:
        manifest = self.manifest().metrics.partitions
        walk = _Walk()
        with _readable():
            for location, root in self._roots():
                if days is None:
                    walk.place(location, root / DATASET)
                else:
                    walk.some_dates(location, root / DATASET, days)
        taken = {day: _taken(day, places, manifest) for day, places in walk.places.items()}
        return LakeListing(
            files=tuple(sorted((f for f in walk.files if taken[f.day] == f.location), key=lambda f: str(f.path))),
            shadowed=tuple(f for f in walk.files if taken[f.day] != f.location),
            temporary=tuple(walk.temporary),
            litter=tuple(walk.litter),
            masked=tuple(f for f in walk.masked if taken[f.day] == f.location),
            foreign=tuple(walk.foreign),
            locations=taken,
            named=frozenset(manifest),
        )

    def _roots(self) -> Iterator[tuple[str, Path]]:
        yield "hot", self.paths.hot
        if self.paths.cold is not None:
            yield "cold", self.paths.cold

    def state_text(self, name: str) -> str:
        """Return a state file's content, such as that of `replication.json`; errors as in `replication`."""
        path = self.paths.hot / STATE_DIR / name
        try:
            return self._content(path).decode("utf-8")
        except UnicodeDecodeError as error:
            raise _not_promised(path, error) from None

    def _state(self, name: str, model: type[State]) -> State:
        path = self.paths.hot / STATE_DIR / name
        try:
            return model.model_validate(json.loads(self._content(path).decode("utf-8")))
        except (ValueError, RecursionError) as error:  # a ValidationError is a ValueError
            raise _not_promised(path, error) from None

    def _content(self, path: Path) -> bytes:
        try:
            with _readable():
                return path.read_bytes()
        except FileNotFoundError:
            msg = f"The lake has no {path}."
            raise PromiseBrokenError(msg, "Is --hot-path right, and has replication ever run?") from None


def _not_promised(path: Path, error: ValueError | RecursionError) -> PromiseBrokenError:
    msg = f"{path} is not what the contract promises: {_reason(error)}."
    return PromiseBrokenError(msg, "State files are replaced atomically: a torn one is a bug.")


class _Walk:
    def __init__(self) -> None:
        self.files: list[LakeFile] = []
        self.temporary: list[Path] = []
        self.litter: list[Path] = []
        self.masked: list[LakeFile] = []
        self.foreign: list[Path] = []
        self.places: dict[date, set[str]] = {}

    def place(self, location: str, dataset: Path) -> None:
        for entry in _entries(dataset):
            match = _PARTITION.fullmatch(entry.name)
            day = _valid_date(match[1]) if match else None
            if day is None or not entry.is_dir():
                self._none_of_the_lake(entry)
                continue
            self._partition(location, day, entry)

    def some_dates(self, location: str, dataset: Path, days: Collection[date]) -> None:
        for day in sorted(days):
            partition = dataset / f"date={day}"
            if partition.is_dir():
                self._partition(location, day, partition)

    def _partition(self, location: str, day: date, partition: Path) -> None:
        self.places.setdefault(day, set()).add(location)
        for entry in _entries(partition):
            match = _SHARD.fullmatch(entry.name)
            if match is None or not entry.is_dir():
                self._none_of_the_lake(entry)
                continue
            for path in _entries(entry):
                self._file(path, day, match[1], location)

    def _file(self, path: Path, day: date, shard: str, location: str) -> None:
        is_litter = _LITTER.fullmatch(path.name) is not None
        if path.name.endswith(_TEMPORARY) and not is_litter:
            self.temporary.append(path)
            return
        if path.suffix != ".parquet":
            self._none_of_the_lake(path)
            return
        try:
            seen = path.stat()
        except FileNotFoundError:  # compaction has just replaced it
            return
        if is_litter:
            self.litter.append(path)
        (self.masked if is_litter else self.files).append(
            LakeFile(path, day, shard, location, seen.st_size, seen.st_mtime_ns)
        )

    def _none_of_the_lake(self, path: Path) -> None:
        (self.litter if _LITTER.fullmatch(path.name) else self.foreign).append(path)


def _taken(day: date, places: set[str], manifest: Mapping[date, object]) -> str:
    """Return where a reader takes a date from: the manifest's place, or the other if that is missing."""
    named = getattr(manifest.get(day), "location", "hot")
    return named if named in places else next(iter(places))


def _entries(directory: Path) -> list[Path]:
    try:
        return sorted(directory.iterdir(), key=lambda path: path.name)
    except FileNotFoundError:
        return []


@contextmanager
def _readable() -> Iterator[None]:
    """Tell what keeps us from reading: our rights, or the disk and its mount. What is not there passes through."""
    try:
        yield
    except FileNotFoundError:
        raise
    except PermissionError as error:
        msg = f"This user may not read {error.filename}."
        raise AccessError(msg, "Run as the service user, or without --hot-path.") from None
    except OSError as error:
        msg = f"{error.filename} cannot be read: {error.strerror}."
        raise AccessError(msg, "Look at the disk, or the mount, that it lies on.") from None


def shard_day_of(path: str) -> tuple[date, str] | None:
    """Return the date and shard that a file's path names, with slashes (contract section 4); else `None`."""
    *_, partition, shard, _ = ("", "", *path.split("/"))
    named = _PARTITION.fullmatch(partition), _SHARD.fullmatch(shard)
    day = _valid_date(named[0][1]) if named[0] else None
    return (day, named[1][1]) if day is not None and named[1] else None


def _valid_date(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _reason(error: ValueError | RecursionError) -> str:
    if isinstance(error, ValidationError):
        problem = error.errors(include_url=False, include_input=False)[0]
        return f"{'.'.join(map(str, problem['loc'])) or 'its content'}: {problem['msg']}"
    return f"it is not JSON ({error})"
