"""The lake's files behind some sensor-days, asked for and answered: rows are then read where the lake is not.

What differs is asked for in a small file. The answer is a ZIP file with the lake's own files that hold those
rows, to the byte: places, row groups and torn files are then as they are in the lake. A file of an asked date that
has none of the rows is named, and stands for an empty one.
"""

import hashlib
import io
import zipfile
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Literal, Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, ValidationError

from tsse_validation.domain.contract import Replication
from tsse_validation.domain.digest import KEY_SCHEMA, ROW_SCHEMA
from tsse_validation.domain.errors import AccessError, NotCheckedError
from tsse_validation.domain.stack import STATE_DIR, LakePaths
from tsse_validation.lake.footers import sha256_in
from tsse_validation.lake.reader import LakeFile, LakeListing, LakeReader
from tsse_validation.lake.shards import shard_of
from tsse_validation.seals.lake_states import StateChange, change_between
from tsse_validation.seals.seal import LakeRead, Stamp

MOST_BYTES = 1 << 30
"""Bytes of files that an answer has at the most; of the sensor-days beyond that none is answered."""
_REPLICATION = "replication.json"
_STATES = (_REPLICATION, "manifest.json")
_WORDS = "answer.json"
_LOOKS = 3
"""How often the files are looked for again where compaction replaced some while they were read."""
_UNREAD = (pa.ArrowException, OSError, KeyError, ValueError, UnicodeDecodeError)
"""What a file raises that is broken, or whose columns are none of a lake's."""
_AGAIN = "Make it again by the command that the run has printed."
_CHANGES = {
    StateChange.BACKFILL: "a backfill has ended between them",
    StateChange.RETREAT: "its watermark went back",
}


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RowsRequest(_Model):
    """Which sensor-days are asked for: those that differ between two seals, which are named by their SHA-256."""

    format: Literal[1] = 1
    kind: Literal["rows wanted of a lake"] = "rows wanted of a lake"
    postgres: str
    lake: str
    sensor_days: tuple[tuple[str, date], ...]

    @classmethod
    def of(cls, content: bytes, name: str) -> Self:
        """Read a request; raises NotCheckedError where it is none."""
        try:
            return cls.model_validate_json(content)
        except ValidationError:
            msg = f"{name} is no request for the lake's rows, or not a whole one."
            raise NotCheckedError(msg, "Give the rows.request that the run has written.") from None

    @property
    def content(self) -> bytes:
        """The request as a file."""
        return self.model_dump_json().encode()

    @property
    def sha256(self) -> str:
        """What tells it from every other."""
        return hashlib.sha256(self.content).hexdigest()

    def sensors_by_day(self) -> Mapping[date, set[str]]:
        """Return the sensors of each date."""
        found = defaultdict[date, set[str]](set)
        for sensor_id, day in self.sensor_days:
            found[day].add(sensor_id)
        return dict(found)


class FileSent(_Model):
    """A file of the lake by its place and path; `sha256` is empty where it has none of the rows."""

    place: str
    path: str
    sha256: str = ""

    @property
    def member(self) -> str:
        """Its name in the answer."""
        return f"{self.place}/{self.path}"


class _Words(_Model):
    format: Literal[1] = 1
    request: str
    hot: str
    cold: str | None
    shards: int
    files: tuple[FileSent, ...]
    answered: tuple[date, ...]
    stamp: Stamp


class RowsAnswer:
    """An answer, held to be whole; `words` say what it is."""

    def __init__(self, words: _Words, members: Mapping[str, bytes]) -> None:
        self.words = words
        self._members = members

    @classmethod
    def of(cls, content: bytes, request: RowsRequest, name: str) -> Self:
        """Read an answer to a request.

        Raises NotCheckedError with the reason where it is none, not whole, changed, or the answer to another.
        """
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                members = {member: archive.read(member) for member in archive.namelist()}
            words = _Words.model_validate_json(members[_WORDS])
            sent = {one: members[one.member] for one in words.files if one.sha256}
            _ = [members[f"{STATE_DIR}/{state}"] for state in _STATES]
        except (zipfile.BadZipFile, KeyError, ValidationError, OSError, EOFError, ValueError) as error:
            msg = f"{name} is no whole answer with the lake's rows: {' '.join(str(error).split())[:120]}."
            raise NotCheckedError(msg, _AGAIN) from None
        if words.request != request.sha256:
            msg = f"{name} has the rows that another run has asked for."
            raise NotCheckedError(msg, _AGAIN)
        if any(hashlib.sha256(found).hexdigest() != one.sha256 for one, found in sent.items()):
            msg = f"{name} was changed after it was made: a file in it is not as it was sent."
            raise NotCheckedError(msg, _AGAIN)
        return cls(words, members)

    def hold_of(self, sealed: LakeRead, files: pa.Table) -> None:
        """Hold that the files are of a lake as it was sealed; `files` are the seal's, in `FILE_SCHEMA`.

        Compaction may have replaced files since, and never changes one: a file with a sealed one's path is it.
        Raises NotCheckedError with the reason.
        """
        theirs = self.words
        for what, its, ours in (
            ("hot path", theirs.hot, sealed.hot),
            ("cold path", theirs.cold, sealed.cold),
            ("number of shards", theirs.shards, sealed.shards),
        ):
            if its != ours:
                msg = f"The rows are of another lake than the seal: their {what} is {its}, and the seal's {ours}."
                raise NotCheckedError(msg, _AGAIN)
        if why := _unlike_states(self._members[f"{STATE_DIR}/{_REPLICATION}"], sealed.replication):
            msg = f"The rows are of the lake in another state than the seal: {why}."
            raise NotCheckedError(msg, "Run again: both sides are sealed anew.")
        known = {(row["place"], row["path"]): row for row in files.to_pylist() if row["footer"] is not None}
        for one in self.words.files:
            row = known.get((one.place, one.path))
            if row is None or not one.sha256:
                continue
            content = self._members[one.member]
            if (len(content), sha256_in(content)) != (row["size"], row["footer"]):
                msg = f"{one.member} was written over since the lake was sealed."
                raise NotCheckedError(msg, "No file of a lake may change: find out who wrote it, and run again.")

    @property
    def days(self) -> Collection[date]:
        """The dates that were answered."""
        return self.words.answered

    def lay_out(self, directory: Path) -> LakePaths:
        """Write the files as a lake of their own below a directory, and return where it is."""
        empty = _empty_file()
        for one in self.words.files:
            path = _below(directory, one.member)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self._members[one.member] if one.sha256 else empty)
        state = directory / "hot" / STATE_DIR
        state.mkdir(parents=True, exist_ok=True)
        for name in _STATES:
            (state / name).write_bytes(self._members[f"{STATE_DIR}/{name}"])
        cold = directory / "cold"
        cold.mkdir(exist_ok=True)
        return LakePaths(directory / "hot", cold, self.words.shards)


def _unlike_states(now: bytes, sealed: str) -> str:
    """Return what tells the lake's state from the sealed one, where later passes alone do not; or nothing."""
    try:
        later, before = Replication.model_validate_json(now), Replication.model_validate_json(sealed)
    except ValidationError:
        return "its replication.json cannot be read"
    change = change_between(before, later)
    return "" if change is None else _CHANGES[change]


def answer_rows(reader: LakeReader, request: RowsRequest, stamp: Stamp) -> bytes:
    """Return the answer to a request, as a ZIP file; only reads the lake.

    Raises AccessError where this user may not read a file, and errors as `LakeReader.listing`.
    """
    for _ in range(_LOOKS):
        try:
            return _answer(reader, request, stamp)
        except FileNotFoundError:  # compaction has replaced it
            continue
    msg = "Files of the lake were replaced again and again while they were read."
    raise NotCheckedError(msg, "Run the command again.")


def _answer(reader: LakeReader, request: RowsRequest, stamp: Stamp) -> bytes:
    wanted = request.sensors_by_day()
    listing = reader.listing()
    chosen: dict[LakeFile, bytes] = {}
    answered: list[date] = []
    size = 0
    straying = _straying(listing, wanted)
    for day, sensors in sorted(wanted.items()):
        of_day = [*_of_day(listing, day), *straying.get(day, ())]
        found = {
            file: _content(file)
            for file in of_day
            if file not in chosen and _has_any(file, sensors, reader.paths.shards)
        }
        size += sum(map(len, found.values()))
        if size > MOST_BYTES and answered:
            break
        chosen |= found
        answered.append(day)
    named = {file for day in answered for file in _of_day(listing, day)} | chosen.keys()
    files = tuple(
        FileSent(
            place=file.location,
            path=file.relative,
            sha256=hashlib.sha256(chosen[file]).hexdigest() if file in chosen else "",
        )
        for file in sorted(named, key=lambda one: (one.location, one.relative))
    )
    words = _Words(
        request=request.sha256,
        hot=str(reader.paths.hot),
        cold=None if reader.paths.cold is None else str(reader.paths.cold),
        shards=reader.paths.shards,
        files=files,
        answered=tuple(answered),
        stamp=stamp,
    )
    return _zipped(words, reader, {f"{file.location}/{file.relative}": found for file, found in chosen.items()})


def _zipped(words: _Words, reader: LakeReader, members: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in _STATES:
            archive.writestr(f"{STATE_DIR}/{name}", (reader.paths.hot / STATE_DIR / name).read_bytes())
        for member, content in members.items():
            archive.writestr(member, content)
        archive.writestr(_WORDS, words.model_dump_json())
    return buffer.getvalue()


def _of_day(listing: LakeListing, day: date) -> Iterator[LakeFile]:
    yield from (file for file in (*listing.files, *listing.shadowed) if file.day == day)


def _has_any(file: LakeFile, sensors: Collection[str], shards: int) -> bool:
    """Whether a file is of the shard of one of some sensors, has a row of one, or cannot be read."""
    if file.shard in {shard_of(sensor, shards) for sensor in sensors}:
        return True
    keys = _keys_of(file)
    return keys is None or bool(pc.any(_of(keys, sensors)).as_py())


def _straying(listing: LakeListing, wanted: Mapping[date, Collection[str]]) -> Mapping[date, Sequence[LakeFile]]:
    """Return, by date, the files of other dates that have a row of it of a sensor that is asked for."""
    found = defaultdict[date, list[LakeFile]](list)
    for file in listing.files:
        if _only_its_day(file):
            continue
        keys = _keys_of(file)
        if keys is None:
            continue
        days = keys["ts"].cast(pa.date32(), safe=False)
        others = pa.array(sorted(wanted.keys() - {file.day}), pa.date32())
        for day in pc.unique(days.filter(pc.is_in(days, value_set=others))).to_pylist():
            if pc.any(_of(keys.filter(pc.equal(days, day)), wanted[day])).as_py():
                found[day].append(file)
    return found


def _only_its_day(file: LakeFile) -> bool:
    """Whether the footer says that all rows are of the file's date."""
    try:
        metadata = pq.read_metadata(file.path)
        schema = metadata.schema.to_arrow_schema()
        if not pa.types.is_timestamp(schema.field("ts").type):
            return False
        at = schema.names.index("ts")
        groups = [metadata.row_group(number).column(at).statistics for number in range(metadata.num_row_groups)]
        ends = [end for one in groups if one is not None for end in (one.min, one.max) if one.has_min_max]
    except (*_UNREAD, OverflowError):
        return False
    return len(ends) == 2 * metadata.num_row_groups and all(end.date() == file.day for end in ends)


def _keys_of(file: LakeFile) -> pa.Table | None:
    try:
        table = pq.read_table(file.path, columns=KEY_SCHEMA.names, partitioning=None)
        return table.select(KEY_SCHEMA.names).cast(KEY_SCHEMA)
    except FileNotFoundError:
        raise
    except PermissionError:
        raise _not_allowed(file) from None
    except _UNREAD:
        return None


def _of(keys: pa.Table, sensors: Collection[str]) -> pa.ChunkedArray:
    return pc.is_in(keys["sensor_id"], value_set=pa.array(sorted(sensors), pa.string()))


def _content(file: LakeFile) -> bytes:
    try:
        return file.path.read_bytes()
    except PermissionError:
        raise _not_allowed(file) from None


def _not_allowed(file: LakeFile) -> AccessError:
    msg = f"This user may not read {file.path}."
    return AccessError(msg, "Run it as the service user.")


def _empty_file() -> bytes:
    buffer = io.BytesIO()
    pq.write_table(ROW_SCHEMA.empty_table(), buffer)
    return buffer.getvalue()


def _below(directory: Path, member: str) -> Path:
    """Return where a member is laid out; raises NotCheckedError where its name leads out of the directory."""
    path = (directory / member).resolve()
    if not path.is_relative_to(directory.resolve()):
        msg = f"The answer with the lake's rows names a file outside of the lake: {member[:80]}."
        raise NotCheckedError(msg, _AGAIN)
    return path
