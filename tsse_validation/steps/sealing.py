"""The exchange with the lake's owner: Postgres is sealed, a command printed, and what it writes is waited for."""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import TypeVar

from tsse_validation.clients.postgres import PostgresClient
from tsse_validation.domain.contract import Inspection
from tsse_validation.domain.coverage import Scope
from tsse_validation.domain.errors import NotCheckedError
from tsse_validation.domain.holding import require
from tsse_validation.domain.instants import utc_now
from tsse_validation.domain.phrasing import count_of
from tsse_validation.domain.polling import looks
from tsse_validation.runlog.records import Note
from tsse_validation.runlog.seal_record import EarlierReading, SealUsed
from tsse_validation.runlog.whole_files import replacing
from tsse_validation.seals.postgres_sealing import seal_postgres
from tsse_validation.seals.seal import FILES, Seal
from tsse_validation.seals.seal_comparing import ComparedSeals
from tsse_validation.seals.seal_file import seal_bytes, seal_of
from tsse_validation.seals.sealed_lake import SealedLake
from tsse_validation.seals.sealed_parts import parts_held
from tsse_validation.seals.sent_files import RowsAnswer, RowsRequest
from tsse_validation.steps.inspecting import dataset_of
from tsse_validation.steps.progress import ProgressReporter
from tsse_validation.steps.proving_beyond import earlier_promise
from tsse_validation.steps.run import ValidationRun
from tsse_validation.steps.seal_commands import SealCommand, lake_command

POSTGRES_SEAL, LAKE_SEAL = "postgres.seal", "lake.seal"
ROWS_REQUEST, LAKE_ROWS = "rows.request", "lake-rows.zip"
"""The files of the exchange, in the run's folder."""
_PRINTS = "Seal the lake again: --await-seal prints the command."
_LINKED = " (where a link makes them one, seal it by the controller's name)"
_PAUSE_SECONDS = 1.0
_ENDS = (b"PAR1", b"PK\x05\x06")
"""By one of these, at or near its end, a file is whole: of a seal, and of the lake's rows."""
_NEAR_THE_END = 64

Taken = TypeVar("Taken")


@dataclass
class LakeExchange:
    """Asks the lake's owner for its seal, and for the files behind what differs; `clock` is in seconds.

    `inspect` runs an inspection job: what the controller says of its lake now.
    """

    run: ValidationRun
    postgres: PostgresClient
    progress: ProgressReporter
    inspect: Callable[[], Inspection]
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    _lake_seal: Seal | None = field(default=None, init=False)

    def parts(self, promised: Scope) -> Sequence[Scope]:
        """Return what is sealed: what the lake promises, as far as Postgres holds any of it.

        A seal that is there already decides: it is as of the watermark at which it was made.
        """
        settings = self.run.settings
        if settings.lake_seal is None or settings.await_seal:
            return parts_held(self.postgres, promised, earlier_promise(self.run.facts))
        seal = self._seal_that_is_there(settings.lake_seal)
        sealed, now = seal.facts.parts[0].coverage, promised.coverage
        if (sealed.backfill_from, sealed.backfill_to) != (now.backfill_from, now.backfill_to):
            msg = f"{settings.lake_seal} was made of another lake, or before the lake's last backfill."
            raise NotCheckedError(msg, _PRINTS)
        part = seal.facts.parts[0]
        if part.window.start > promised.window.start or part.since or sealed.kept_from > now.kept_from:
            msg = f"{settings.lake_seal} covers less than the lake promises: it begins at {part.window.start}."
            raise NotCheckedError(msg, _PRINTS)
        return seal.facts.parts

    def exchange(self, parts: Sequence[Scope]) -> ComparedSeals:
        """Seal Postgres, and return its seal and the lake's, compared.

        Raises NotCheckedError when the lake's does not come in time, or says nothing about Postgres's.
        """
        with self.progress.track("sealing Postgres") as update:
            sealed = seal_postgres(self.postgres, parts, now=utc_now, on_day=update)
        path = self.run.directory / POSTGRES_SEAL
        content = seal_bytes(sealed)
        with replacing(path) as unfinished:
            unfinished.write_bytes(content)
        of_postgres = seal_of(content, str(path))
        seals, answer = self._lake_of(of_postgres, path)
        left = len(seals.said.left)
        self.run.record(_used("postgres", of_postgres, path, 0), _used("lake", seals.lake, answer, left))
        return seals

    def rows(self, of_lake: Seal, request: RowsRequest) -> RowsAnswer:
        """Ask for the lake's files behind what differs; raises NotCheckedError when they do not come in time."""
        path = self.run.directory / ROWS_REQUEST
        with replacing(path) as unfinished:
            unfinished.write_bytes(request.content)
        answer = self.run.directory / LAKE_ROWS
        command = self._command(path, answer, "--rows-of")
        what = f"the lake's rows of {count_of(len(request.sensor_days), 'sensor-day')} that do not agree by digest"

        def take(content: bytes) -> RowsAnswer:
            given = RowsAnswer.of(content, request, str(answer))
            given.hold_of(SealedLake(of_lake).read, of_lake.tables[FILES])
            return given

        return self._waited_for(what, command, answer, take)

    def _lake_of(self, of_postgres: Seal, request: Path) -> tuple[ComparedSeals, Path]:
        if self._lake_seal is not None and self.run.settings.lake_seal is not None:
            return self._held(of_postgres, self._lake_seal), self.run.settings.lake_seal
        answer = (self.run.settings.lake_seal or self.run.directory / LAKE_SEAL).absolute()
        command = self._command(request, answer, "--as-of")

        def take(content: bytes) -> ComparedSeals:
            seal = seal_of(content, str(answer))
            if (as_of := SealedLake(seal).read.as_of) != of_postgres.stamp.sha256:
                which = "another seal of Postgres" if as_of else "none, without --as-of"
                msg = f"{answer} was made as of {which}."
                raise NotCheckedError(msg, "Run the command that is printed above.")
            return self._held(of_postgres, seal)

        return self._waited_for("the seal of the lake", command, answer, take), answer

    def _seal_that_is_there(self, path: Path) -> Seal:
        try:
            self._lake_seal = seal_of(path.read_bytes(), str(path))
        except OSError as error:
            msg = f"{path} cannot be read: {error.strerror}."
            raise NotCheckedError(msg, "Give a seal that this user may read.") from None
        return self._lake_seal

    def _held(self, of_postgres: Seal, of_lake: Seal) -> ComparedSeals:
        """Compare, and hold that a seal is of the controller's own lake, and of it as it is since the backfill."""
        seals = ComparedSeals.of(of_postgres, of_lake)
        lake = SealedLake(of_lake)
        said, now = require(self.run.facts.inspection, "the lake's inspection"), self.inspect()
        if now.replication.backfill_to_ts != of_postgres.facts.parts[0].coverage.backfill_to:
            msg = "A backfill of somebody else has replaced the lake's files since the seals were begun."
            raise NotCheckedError(msg, "Run again when no other backfill runs.")
        if why := unlike_inspections(lake, said, now, self.run.settings.shards):
            msg = f"The seal is of another lake than the controller's: {why}."
            raise NotCheckedError(msg, "Seal the lake that the controller's inspection names.")
        return seals

    def _command(self, request: Path, answer: Path, asks: str) -> SealCommand:
        inspection = require(self.run.facts.inspection, "the lake's inspection")
        return lake_command(inspection, self.run.settings, request=request, answer=answer, asks=asks)

    def _waited_for(self, what: str, command: SealCommand, answer: Path, take: Callable[[bytes], Taken]) -> Taken:
        """Print a command and wait for the file that it writes; one that will not do is told, and waited past."""
        wait = self.run.settings.await_seal
        seconds = wait.total_seconds()
        unasked = "" if seconds else "It was not waited for: --await-seal 10m prints the command, and waits."
        if not seconds:
            msg = f"{what[:1].upper()}{what[1:]} is needed."
            raise NotCheckedError(msg, unasked)
        self.progress.say(f"\nThe run needs {what}. Let a user who may read the lake run, within {wait}:\n")
        self.progress.say(command.line)
        for note in command.notes:
            self.progress.say(note)
        self.progress.say("")
        refused, seen = "", None
        begun = self.clock()
        look = partial(_whole, answer)
        with self.progress.track(f"waiting for {answer.name}") as update:
            for content in looks(
                look, timeout=seconds, pauses=repeat(_PAUSE_SECONDS), clock=self.clock, sleep=self.sleep
            ):
                update(round(min(self.clock() - begun, seconds)), round(seconds), "seconds")
                if content is None or content == seen:
                    continue
                seen = content
                try:
                    return take(content)
                except NotCheckedError as error:
                    refused = str(error)
                    self.progress.say(f"{answer.name} will not do: {refused}")
        self.run.record(Note(text=f"Still to run for {what}: {command.line}"))
        why = refused or f"{answer} did not come within {wait}."
        msg = f"{what[:1].upper()}{what[1:]} is missing: {why}"
        raise NotCheckedError(
            msg, f"Run again with a longer --await-seal, and meanwhile the command that it prints: {command.line}"
        )


def _whole(path: Path) -> bytes | None:
    """Return a file's content once it is there to its end; `None` before."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    return content if any(end in content[-_NEAR_THE_END:] for end in _ENDS) else None


def unlike_inspections(lake: SealedLake, before: Inspection, after: Inspection, shards: int) -> str:
    """Return why a seal is of another lake than the controller's inspections before and after it, or nothing.

    What the two inspections agree upon was so all the time between them.
    """
    if lake.paths.shards != shards:
        return f"it has {lake.paths.shards} shards, and --shards is {shards}"
    for name, ours, said in (("hot", lake.paths.hot, after.hot_path), ("cold", lake.paths.cold, after.cold_path)):
        if said and (ours is None or Path(said) != ours):
            return f"its {name} path is {ours or 'not set'}, and the controller's {said}{_LINKED if ours else ''}"
    listing = dataset_of(lake.listing()).partitions
    for day, partition in sorted(before.metrics.partitions.items()):
        if partition != after.metrics.partitions.get(day) or not partition.shards:
            continue
        sealed = listing.get(day)
        if sealed is None or dict(sealed.shards) != dict(partition.shards):
            files = sealed.parquet_files if sealed else 0
            theirs = partition.parquet_files
            return f"on {day} it has {count_of(files, 'file')}, and the controller {theirs}, or others"
    return ""


def _used(side: str, seal: Seal, path: Path, left: int) -> SealUsed:
    read, stamp = seal.facts.lake, seal.stamp
    days = {line.as_py() for line in seal.lines["day"].unique()}
    files = seal.tables.get(FILES)
    return SealUsed.model_validate(
        {
            "side": side,
            "path": str(path),
            **stamp.model_dump(include={"sha256", "made_at", "host", "user", "suite_version"}),
            "as_of": read.as_of if read else "",
            "days": len(days),
            "files": files.num_rows if files is not None else 0,
            "rows": sum(seal.lines["rows"].to_pylist()),
            "left": left,
            **_rests_on(seal),
        }
    )


def _rests_on(seal: Seal) -> dict[str, object]:
    taken = seal.facts.lake.taken_over if seal.facts.lake else None
    if taken is None:
        return {}
    by_instant = defaultdict[datetime, list[date]](list)
    for day, read_at in sorted(taken.days.items()):
        by_instant[read_at].append(day)
    rests = [
        EarlierReading(sha256=taken.baseline, read_at=read_at, days=tuple(days), files=0)
        for read_at, days in by_instant.items()
    ]
    return {"rests_on": tuple(rests), "unchanged": taken.shard_days, "reread": taken.reread}
