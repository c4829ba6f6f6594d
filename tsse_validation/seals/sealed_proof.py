"""The proof by two seals: digests from the seals, rows of what differs by the lake's own files, asked for once."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import pyarrow as pa

from tsse_validation.clients.postgres import PostgresClient
from tsse_validation.domain.coverage import Coverage, Scope
from tsse_validation.domain.errors import NotCheckedError
from tsse_validation.domain.phrasing import count_of
from tsse_validation.domain.polling import Update, quiet
from tsse_validation.domain.windows import Window
from tsse_validation.lake.reader import LakeFile, LakeReader
from tsse_validation.lake.rows import COPY_SCHEMA, LakeRows
from tsse_validation.parity.comparing import DayComparison
from tsse_validation.parity.direct import DirectProof, WindowCount
from tsse_validation.runlog.records import CountRow
from tsse_validation.seals.seal_comparing import ComparedSeals, SealComparison
from tsse_validation.seals.sealed_lake import SealedLake
from tsse_validation.seals.sent_files import RowsAnswer, RowsRequest
from tsse_validation.settings.fields import Level

_NO_WINDOWS = "A seal of the lake holds digests of days, and no rows."
_READ_THE_LAKE = "Read the lake by --hot-path."

Ask = Callable[[RowsRequest], RowsAnswer]
"""Asks for the lake's files behind some sensor-days; raises NotCheckedError where they do not come."""


class SealedProof(DirectProof):
    """Compares by a seal of Postgres and one of the lake, in place of the lake's files.

    What does not agree by digest is never called a fault by that alone. The files behind it are asked for once,
    and laid out below `directory`. The direct proof then looks again: those files were read after Postgres was
    sealed, and Postgres is asked again after them. So a row that is due in the later state was current all the
    time, and no newer version can have displaced it.

    Raises NotCheckedError where what differs was not given.
    """

    def __init__(self, postgres: PostgresClient, seals: ComparedSeals, *, ask: Ask, directory: Path) -> None:
        self.lake = SealedLake(seals.lake)
        super().__init__(postgres, self.lake)
        self.compared: SealComparison = seals.said
        self._client = postgres
        self._sha256 = seals.postgres.stamp.sha256, seals.lake.stamp.sha256
        self._ask = ask
        self._directory = directory
        self._laid_out: _LaidOut | None = None

    def compare_in_slices(
        self, scope: Scope, *, level: Level = Level.DIGEST, on_day: Update = quiet
    ) -> Iterator[tuple[Scope, list[CountRow]]]:
        """Yield the sensor-days of a scope at once: both sides were digested before."""
        hashed = level is not Level.COUNT
        days = list(scope.window.days()) if scope.since is None else []
        rows = self._rows_of(scope)
        on_day(len(days) or 1, len(days) or 1, "compared by seals", rows=sum(row.postgres for row in rows))
        yield scope, self.settled(rows, scope, hashed=hashed)

    def settled(self, rows: list[CountRow], scope: Scope, *, hashed: bool) -> list[CountRow]:
        """Read the sensor-days that do not agree by the lake's files, and replace them by the result."""
        doubtful = [row for row in rows if not row.matches]
        if not doubtful:
            return sorted(rows)
        laid_out = self._files_of_what_differs()
        answered = [row for row in doubtful if row.day in laid_out.days]
        again = laid_out.proof.settled(answered, scope, hashed=hashed) if answered else []
        open_rows = [row for row in doubtful if row.day not in laid_out.days]
        if open_rows and all(row.matches for row in again):
            msg = f"{count_of(len(open_rows), 'sensor-day')} do not agree by digest, and their rows were too many."
            raise NotCheckedError(msg, _READ_THE_LAKE)
        return sorted([row for row in rows if row.matches] + again + open_rows)

    def compare_rows(
        self, scope: Scope, sensor_days: Iterable[CountRow], on_day: Update = quiet
    ) -> Iterator[DayComparison]:
        """Compare row by row what the lake's files were given of; as `DirectProof.compare_rows`."""
        wanted = list(sensor_days)
        if not wanted:
            return
        laid_out = self._files_of_what_differs()
        given = [row for row in wanted if row.day in laid_out.days]
        yield from laid_out.proof.compare_rows(scope, given, on_day)

    def count_window(self, scope: Scope) -> WindowCount:  # noqa: ARG002 - no window can be counted
        """Raise NotCheckedError: a seal has no windows."""
        raise NotCheckedError(_NO_WINDOWS, _READ_THE_LAKE)

    def count_windows(
        self,
        covered: Scope,  # noqa: ARG002
        windows: Sequence[Window],  # noqa: ARG002
        on_part: Update = quiet,  # noqa: ARG002
    ) -> Iterator[WindowCount]:
        """Raise NotCheckedError: a seal has no windows."""
        raise NotCheckedError(_NO_WINDOWS, _READ_THE_LAKE)

    def rows_as_the_job_counts(
        self,
        windows: Iterable[Window],  # noqa: ARG002
        sensor_ids: Sequence[str],  # noqa: ARG002
    ) -> Counter[str]:
        """Raise NotCheckedError: how often a row stands in the lake's files, no digest says."""
        raise NotCheckedError(_NO_WINDOWS, _READ_THE_LAKE)

    @property
    def unreadable(self) -> Mapping[LakeFile, str]:
        """The files that could not be read: as the lake was sealed, or as they were given since."""
        if self._laid_out is None:
            return self.lake.unreadable()
        given = self._laid_out
        left = {file: why for file, why in self.lake.unreadable().items() if file.day not in given.days}
        return left | {given.theirs(file): given.said(why) for file, why in given.proof.unreadable.items()}

    def lake_rows(self, coverage: Coverage) -> LakeRows:
        """Return what the seal tells of the lake's dates, and the copies in the files that were given."""
        given = self._laid_out.proof.lake_rows(coverage) if self._laid_out is not None else None
        return _SealedRows(self.lake, given)

    def _rows_of(self, scope: Scope) -> list[CountRow]:
        """Return the sensor-days of a scope, which is one of the seals' parts, or some days of one."""
        for part in self.compared.parts:
            sealed = part.scope
            if (sealed.coverage, sealed.since) == (scope.coverage, scope.since) and _within(scope, sealed):
                first, last = scope.window.start.date(), scope.window.end.date()
                return [row for row in part.rows if row.day is not None and first <= row.day <= last]
        msg = f"The seals hold nothing of {scope.window} as of {scope.coverage.watermark}."
        raise NotCheckedError(msg, "Make both seals again.")

    def _files_of_what_differs(self) -> "_LaidOut":
        if self._laid_out is None:
            differing = {
                (row.sensor_id, row.day)
                for part in self.compared.parts
                for row in part.rows
                if not row.matches and row.day is not None
            }
            postgres, lake = self._sha256
            request = RowsRequest(postgres=postgres, lake=lake, sensor_days=tuple(sorted(differing)))
            self._laid_out = _LaidOut(self._client, self._ask(request), self._directory)
        return self._laid_out


def _within(scope: Scope, sealed: Scope) -> bool:
    return sealed.window.start <= scope.window.start and scope.window.end <= sealed.window.end


class _LaidOut:
    """The files that were given, as a lake of their own, and the direct proof over it."""

    def __init__(self, postgres: PostgresClient, answer: RowsAnswer, directory: Path) -> None:
        paths = answer.lay_out(directory)
        self.days = frozenset(answer.days)
        self.proof = DirectProof(postgres, LakeReader(paths))
        self._here = {"hot": paths.hot, "cold": paths.cold or directory / "cold"}
        self._there = {"hot": Path(answer.words.hot), "cold": Path(answer.words.cold or answer.words.hot)}

    def theirs(self, file: LakeFile) -> LakeFile:
        """Return a file by its path in the lake."""
        return replace(file, path=self._there[file.location] / file.relative)

    def said(self, reason: str) -> str:
        """Return a reader's error with the path in the lake."""
        for place, here in self._here.items():
            reason = reason.replace(str(here), str(self._there[place]))
        return reason


class _SealedRows(LakeRows):
    """What a seal tells of the lake's rows; copies are looked up in the files that were given."""

    def __init__(self, lake: SealedLake, given: LakeRows | None) -> None:
        super().__init__(lake)
        self._sealed = lake
        self._given = given

    @property
    def unreadable(self) -> Mapping[LakeFile, str]:
        return self._sealed.unreadable()

    def copies(self, day: date, keys: pa.Table) -> pa.Table:
        return COPY_SCHEMA.empty_table() if self._given is None else self._given.copies(day, keys)

    def rows_outside(self, window: Window) -> dict[date, int]:
        del window  # the seal has counted by the covered range
        return dict(self._sealed.rows_outside())
