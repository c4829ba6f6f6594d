"""Makes the seal of the lake: digests of its newest rows as of a coverage, and all that was read to make them.

It needs the lake's directories alone, and only reads them. The files are read by tasks, here or on a cluster.
"""

import math
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
from pydantic import ValidationError

from tsse_validation.domain.aspects import FILE_ASPECTS
from tsse_validation.domain.contract import Replication
from tsse_validation.domain.coverage import Scope
from tsse_validation.domain.digest import rows_digested
from tsse_validation.domain.errors import NotCheckedError, PromiseBrokenError, SettingsError
from tsse_validation.domain.instants import to_the_second, without_zone
from tsse_validation.domain.phrasing import count_of
from tsse_validation.domain.polling import Update, quiet
from tsse_validation.lake.file_checks import FileProblem
from tsse_validation.lake.reader import LakeFile, LakeListing, LakeReader
from tsse_validation.lake.shards import shard_of, shards_that_fit
from tsse_validation.lake.tasks import DigestAnswer, DigestTask, ShardDay, TaskPart, digest_task, split_tasks
from tsse_validation.seals.baseline import Baseline, UnchangedShardDay, differ, lines_of
from tsse_validation.seals.lake_states import StateChange, change_between
from tsse_validation.seals.seal import (
    FILE_SCHEMA,
    FILES,
    KEYS_SCHEMA,
    LINE_SCHEMA,
    NOT_DUE,
    PENDING,
    SHARD_DAY_SCHEMA,
    SHARD_DAYS,
    Examined,
    FileFault,
    LakeRead,
    Seal,
    SealFacts,
    SealSide,
    TakenOver,
    in_part,
    keys_of_part,
)
from tsse_validation.seals.stamping import stamp_of

_SEAL_POSTGRES = "Seal Postgres again, and then the lake as of that."
_CHANGES = {StateChange.BACKFILL: "A backfill has ended", StateChange.RETREAT: "The watermark went back"}


@dataclass(frozen=True)
class Reuse:
    """An earlier seal to take over from; a `share` of what stands, drawn by `seed`, is read all the same."""

    seal: Seal
    share: float
    seed: int


def seal_lake(
    reader: LakeReader,
    parts: Sequence[Scope],
    *,
    now: Callable[[], datetime],
    as_of: Seal | None = None,
    reuse: Reuse | None = None,
    on_day: Update = quiet,
) -> Seal:
    """Seal what the lake holds of some parts, of which the first is the covered range.

    With `as_of` the parts must be those of that seal of Postgres, and its keys that are not due are left out. The
    stamp has the instant before the first file was read.

    Raises:
        NotCheckedError: `as_of` or the baseline is of no use here, with the reason, or a backfill ran meanwhile.
        SettingsError: the lake has another number of shards.
        PromiseBrokenError: a state file is torn, or a file was changed in place since the baseline.
        AccessError: this user may not read a file.
    """
    stamp = stamp_of(now())
    states = _States.of(reader)
    if as_of is not None:
        hold_as_of(as_of, states.replication)
    listing = reader.listing()
    _hold_directories(listing, reader.paths.shards)
    _hold_cold_dates(reader)
    keys = as_of.tables[NOT_DUE] if as_of is not None else KEYS_SCHEMA.empty_table()
    sealed = _Sealing(reader, tuple(parts), keys)
    taken_over = sealed.take_over(listing.files, reuse, on_day) if reuse is not None else None
    sealed.read(listing.files, on_day)
    _hold_shards(sealed.lines, reader.paths.shards)
    states.hold(_States.of(reader))
    read = LakeRead(
        hot=str(reader.paths.hot),
        cold=None if reader.paths.cold is None else str(reader.paths.cold),
        shards=reader.paths.shards,
        replication=states.replication_json,
        manifest=states.manifest_json,
        as_of=as_of.stamp.sha256 if as_of is not None else "",
        unreadable=dict(sorted(sealed.unreadable.items())),
        examined=sealed.examined(),
        outside=dict(sorted(sealed.outside.items())),
        taken_over=taken_over,
        **_strangers(listing, reader),
    )
    facts = SealFacts(side=SealSide.LAKE, parts=tuple(parts), lake=read)
    return Seal(facts, stamp, pa.concat_tables([LINE_SCHEMA.empty_table(), *sealed.lines]), sealed.tables())


def hold_as_of(as_of: Seal, state: Replication) -> None:
    """Hold that a lake of some state can be sealed as of a seal; raises NotCheckedError with the reason."""
    if as_of.facts.side is not SealSide.POSTGRES:
        raise NotCheckedError("--as-of is a seal of the lake.", "Name a seal of Postgres.")
    if not as_of.facts.complete or NOT_DUE not in as_of.tables:
        raise NotCheckedError("The seal of Postgres is not complete: it was broken off.", _SEAL_POSTGRES)
    coverage = as_of.facts.parts[0].coverage
    begin, target, watermark = state.backfill_from_ts, state.backfill_to_ts, state.computed_through_ts
    if begin is None or target is None or watermark is None:
        raise NotCheckedError("The lake has no completed backfill: nothing is promised.", "Backfill it first.")
    same_start = begin == coverage.backfill_from or begin < coverage.backfill_from == coverage.kept_from
    if target != coverage.backfill_to or not same_start:
        msg = (
            f"The lake's backfill is from {to_the_second(begin)} to {to_the_second(target)}, and the seal of "
            f"Postgres is for one from {to_the_second(coverage.backfill_from)} to "
            f"{to_the_second(coverage.backfill_to)}: it is of another lake, or a backfill has run since."
        )
        raise NotCheckedError(msg, _SEAL_POSTGRES)
    wanted = max(part.coverage.watermark for part in as_of.facts.parts)
    if watermark < wanted:
        msg = (
            f"The lake's watermark {to_the_second(watermark)} is older than the seal of Postgres needs, "
            f"{to_the_second(wanted)}."
        )
        raise NotCheckedError(msg, "Is --hot-path the lake that Postgres was sealed for?")


@dataclass(frozen=True)
class _States:
    """The state files, as they stand and as they are understood."""

    replication_json: str
    manifest_json: str
    replication: Replication

    @classmethod
    def of(cls, reader: LakeReader) -> "_States":
        replication, manifest = (reader.state_text(name) for name in ("replication.json", "manifest.json"))
        try:
            return cls(replication, manifest, Replication.model_validate_json(replication))
        except ValidationError:
            # in the reader's own words
            return cls(replication, manifest, reader.replication())

    def hold(self, later: "_States") -> None:
        """Hold that no backfill has ended while the files were read, and no watermark went back."""
        change = change_between(self.replication, later.replication)
        if change is not None:
            msg = f"{_CHANGES[change]} while the lake was sealed: its files are of two states."
            raise NotCheckedError(msg, "Seal it again when no backfill runs.")


@dataclass
class _Sealing:
    """Gathers what is read, and what is taken over."""

    reader: LakeReader
    parts: tuple[Scope, ...]
    keys: pa.Table
    lines: list[pa.Table] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)
    outside: Counter[date] = field(default_factory=Counter)
    _pending: list[pa.Table] = field(default_factory=list)
    _files: list[dict[str, object]] = field(default_factory=list)
    _shard_days: list[dict[str, object]] = field(default_factory=list)
    _problems: dict[str, list[FileProblem]] = field(default_factory=lambda: {one: [] for one in FILE_ASPECTS})
    _taken: set[ShardDay] = field(default_factory=set)

    def __post_init__(self) -> None:
        pairs = zip(self.keys["sensor_id"].to_pylist(), self.keys["ts"].to_pylist(), strict=True)
        self._not_due = {(ts.date(), shard_of(sensor, self.reader.paths.shards)) for sensor, ts in pairs}

    def read(self, files: Iterable[LakeFile], on_day: Update) -> None:
        """Read all shard-days of some files that are not taken over."""
        left = [file for file in files if (file.day, file.shard) not in self._taken]
        for answer in self._answers(left, on_day):
            self._add(answer)

    def take_over(self, files: Sequence[LakeFile], reuse: Reuse, on_day: Update) -> TakenOver:
        """Take over what stands of an earlier seal, but for a share of it that is read again, and held to it."""
        paths = self.reader.paths
        baseline = Baseline(reuse.seal, str(paths.hot), paths.shards)
        standing = baseline.standing(files, self.parts, self._not_due)
        # the least share is one shard-day: what is not looked at at all cannot be told from what was not changed
        count = min(len(standing), max(1, math.ceil(reuse.share * len(standing))))
        drawn = set(random.Random(reuse.seed).sample(sorted(standing), count))  # noqa: S311 - no secret
        again = [file for file in files if (file.day, file.shard) in drawn]
        for answer in self._answers(again, on_day):
            found = pa.concat_tables([LINE_SCHEMA.empty_table(), *_numbered(answer.lines, LINE_SCHEMA)])
            self._add(answer)
            for place, read in _by_shard_day(answer).items():
                same = _identities(read) == _identities(standing[place].files)
                # what compaction has replaced since the listing was no file of the baseline's any more
                if same and differ(lines_of(found, place), standing[place].lines):
                    raise _changed_in_place(standing[place])
        days: dict[date, datetime] = {}
        for place, one in standing.items():
            if place not in drawn:
                read_at = self._keep(place, one, reuse.seal)
                days[place[0]] = min(read_at, days.get(place[0], read_at))
        self._taken = set(standing)
        return TakenOver(
            baseline=reuse.seal.stamp.sha256,
            days=dict(sorted(days.items())),
            shard_days=len(standing) - len(drawn),
            reread=len(drawn),
            share=reuse.share,
            seed=reuse.seed,
        )

    def examined(self) -> Examined:
        """Return what is wrong with the files."""
        problems = {
            aspect: tuple(sorted(map(_fault, some), key=_by_path)) for aspect, some in self._problems.items()
        }
        rows = sum(row["rows"] or 0 for row in self._files)  # type: ignore[misc]
        unsorted = sum(row["unsorted"] or 0 for row in self._shard_days)  # type: ignore[misc]
        return Examined(files=len(self._files), rows=rows, unsorted=unsorted, problems=problems)

    def tables(self) -> dict[str, pa.Table]:
        """Return the tables beside the lines, each in order."""
        tables = {
            PENDING: pa.concat_tables([KEYS_SCHEMA.empty_table(), *self._pending]),
            FILES: pa.Table.from_pylist(self._files, FILE_SCHEMA),
            SHARD_DAYS: pa.Table.from_pylist(self._shard_days, SHARD_DAY_SCHEMA),
        }
        order = {PENDING: KEYS_SCHEMA.names, FILES: ("place", "path"), SHARD_DAYS: ("day", "shard")}
        return {
            name: table.sort_by([(column, "ascending") for column in order[name]])
            for name, table in tables.items()
        }

    def _answers(self, files: Sequence[LakeFile], on_day: Update) -> Iterator[DigestAnswer]:
        tasks = [self._task(places) for places in split_tasks(files)]
        days = sorted({file.day for file in files})
        for task, answer in zip(tasks, self.reader.workers.run(digest_task, tasks), strict=True):
            until = max(task.days)
            on_day(days.index(until) + 1, len(days), f"digested up to {until}", rows=_rows_of(answer))
            yield answer

    def _task(self, places: frozenset[ShardDay]) -> DigestTask:
        days = tuple(sorted({day for day, _ in places}))
        parts = tuple(
            TaskPart.within(scope, keys_of_part(self.keys, number), days)
            for number, scope in enumerate(self.parts)
        )
        covered = self.parts[0].window
        return DigestTask(self.reader.paths, days, places, parts, pending=True, covered=covered)

    def _add(self, answer: DigestAnswer) -> None:
        self.lines += _numbered(answer.lines, LINE_SCHEMA)
        self._pending += _numbered(answer.pending, KEYS_SCHEMA)
        self.unreadable |= {file.relative: why for file, why in answer.unreadable.items()}
        self.outside.update(answer.seen.outside)
        for aspect, problems in answer.seen.findings.problems.items():
            self._problems[aspect] += problems
        for files in _by_shard_day(answer).values():
            self._files += files
        for span in answer.seen.spans.to_pylist():
            not_due = (span["day"], span["shard"]) in self._not_due
            self._shard_days.append({**span, "not_due": not_due, "seal": None, "read_at": None})

    def _keep(self, place: ShardDay, standing: UnchangedShardDay, seal: Seal) -> datetime:
        """Take a shard-day over, and return when its files were read."""
        row = dict(standing.row)
        if row["seal"] is None:
            row |= {"seal": seal.stamp.sha256, "read_at": without_zone(seal.stamp.made_at)}
        self._shard_days.append(row)
        self._files += map(dict, standing.files)
        self.lines.append(standing.lines)
        covered = self.parts[0].window
        if row["last"].replace(tzinfo=UTC) < covered.start or row["first"].replace(tzinfo=UTC) > covered.end:
            self.outside[place[0]] += sum(file["rows"] for file in standing.files)
        return row["read_at"].replace(tzinfo=UTC)  # type: ignore[no-any-return]


def _changed_in_place(standing: UnchangedShardDay) -> PromiseBrokenError:
    files = ", ".join(sorted(file["path"] for file in standing.files)[:3])
    msg = (
        f"{files}: changed in place since the baseline: size, time and footer are the same, and its rows are not."
    )
    return PromiseBrokenError(
        msg, "No file of a lake may change: find out who wrote it. Seal the lake without --baseline."
    )


def _hold_cold_dates(reader: LakeReader) -> None:
    named = reader.manifest().metrics.partitions
    cold = [day for day, partition in named.items() if partition.location == "cold"]
    if cold and reader.paths.cold is None:
        msg = f"{count_of(len(cold), 'date')} of the lake lie in its cold place, which was not given."
        raise NotCheckedError(msg, "Give it by --cold-path.")


def _by_shard_day(answer: DigestAnswer) -> dict[ShardDay, list[dict[str, object]]]:
    """Return the files that were read, each as in `FILE_SCHEMA`."""
    found = defaultdict[ShardDay, list[dict[str, object]]](list)
    for file, footer in answer.seen.footers.items():
        seen = file.location, file.relative, file.size, file.mtime_ns
        known = (footer.rows, footer.sha256) if footer is not None else (None, None)
        found[file.day, file.shard].append(dict(zip(FILE_SCHEMA.names, (*seen, *known), strict=True)))
    return dict(found)


def _identities(files: Iterable[Mapping[str, object]]) -> set[tuple[object, ...]]:
    return {tuple(file[name] for name in FILE_SCHEMA.names) for file in files}


def _hold_directories(listing: LakeListing, shards: int) -> None:
    """Hold that no file lies where no sensor of so many shards belongs, before any is read."""
    last = max((file for file in listing.files if int(file.shard) >= shards), key=_by_shard, default=None)
    if last is not None:
        msg = f"The lake has {last.relative}, and --shards {shards} has none beyond shard={shards - 1:02d}."
        few = int(last.shard) + 1
        advice = (
            f"Give --shards as the controller has it, {few} or more. If it is {shards}, no reader finds the rows "
            "of that file: find out who wrote it."
        )
        raise SettingsError(msg, advice)


def _by_shard(file: LakeFile) -> tuple[str, str]:
    return file.shard, file.relative


def _hold_shards(lines: Sequence[pa.Table], shards: int) -> None:
    pairs = pa.concat_tables([LINE_SCHEMA.empty_table(), *lines]).group_by(["sensor_id", "shard"]).aggregate([])
    found = set(zip(pairs["sensor_id"].to_pylist(), pairs["shard"].to_pylist(), strict=True))
    fits = shards_that_fit(found)
    if fits is not None and fits != shards:
        msg = f"The lake was written with {fits} shards, and not with {shards}."
        raise SettingsError(msg, f"Give --shards {fits}.")


def _strangers(listing: LakeListing, reader: LakeReader) -> dict[str, tuple[str, ...]]:
    roots = [root for root in (reader.paths.hot, reader.paths.cold) if root is not None]

    def named(path: Path) -> str:
        return next((path.relative_to(root).as_posix() for root in roots if path.is_relative_to(root)), path.name)

    return {
        name: tuple(sorted(map(named, paths)))
        for name, paths in (
            ("temporary", listing.temporary),
            ("foreign", listing.foreign),
            ("litter", listing.litter),
        )
    }


def _fault(problem: FileProblem) -> FileFault:
    file, sensors = problem.file, tuple(sorted(problem.sensors))
    return FileFault(
        place=file.location, path=file.relative, what=problem.what, rows=problem.rows, sensors=sensors
    )


def _by_path(fault: FileFault) -> tuple[str, str]:
    return fault.place, fault.path


def _numbered(tables: Iterable[pa.Table], schema: pa.Schema) -> list[pa.Table]:
    return [in_part(number, table, schema) for number, table in enumerate(tables)]


def _rows_of(answer: DigestAnswer) -> int:
    return sum(map(rows_digested, answer.lines))
