"""A lake's files as last listed: looked for again where they were replaced, set aside where they are broken."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import TypeVar

import duckdb
import pyarrow as pa

from tsse_validation.lake.read_errors import READ_ERRORS, unreadable_lake, why_broken
from tsse_validation.lake.reader import LakeFile, LakeListing
from tsse_validation.lake.sql import column_engine

_RELISTS = 2
"""How often one shard of a date is looked for again where its files were gone when they were read."""

Connection = duckdb.DuckDBPyConnection
Result = TypeVar("Result")


class ListedLake:
    """The files of some dates, or of all; `listing` is replaced where compaction or retention went on meanwhile.

    `reasons` has the reader's error of each file that was set aside.
    """

    def __init__(self, look: Callable[[], LakeListing], set_aside: Mapping[LakeFile, str] | None = None) -> None:
        self._look = look
        self.listing = look()
        self.reasons: dict[LakeFile, str] = dict(set_aside or {})

    @property
    def unreadable(self) -> Mapping[LakeFile, str]:
        """The files that were set aside, with the reader's error of each; those since replaced are left out."""
        if not self.reasons:
            return {}
        there = {*self.listing.files, *self.listing.shadowed}
        return {file: reason for file, reason in self.reasons.items() if file in there}

    def look_again(self) -> None:
        """List the files anew."""
        self.listing = self._look()

    def take_over(self, unreadable: Mapping[LakeFile, str]) -> None:
        """Set files aside that somebody else could not read; who has listed later may know others than we do."""
        self.reasons |= unreadable
        if not unreadable.keys() <= self.unreadable.keys():
            self.look_again()

    def ask(
        self,
        files_now: Callable[[], Sequence[LakeFile]],
        query: Callable[[Connection, Sequence[LakeFile]], Result],
        *,
        empty: Result,
        set_aside: bool = True,
        **tables: pa.Table,
    ) -> Result:
        """Run a query over files as `read`, in an engine with some tables; return `empty` where there is none."""

        def asked(files: Sequence[LakeFile]) -> Result:
            with column_engine(**tables) as connection:
                return query(connection, files)

        return self.read(files_now, asked, empty=empty, set_aside=set_aside)

    def read(
        self,
        files_now: Callable[[], Sequence[LakeFile]],
        reading: Callable[[Sequence[LakeFile]], Result],
        *,
        empty: Result,
        set_aside: bool = True,
    ) -> Result:
        """Read files, listed anew for each attempt; return `empty` where there is none.

        Raises PromiseBrokenError with the file that is broken and may not be set aside, AccessError where this
        user may not read one.
        """
        looked_for = Counter[tuple[date, str]]()
        while files := [file for file in files_now() if file not in self.reasons or not set_aside]:
            try:
                return reading(files)
            except READ_ERRORS as error:
                # compaction and retention go from one shard-day to the next: many may be replaced, each once
                gone = {(file.day, file.shard) for file in files if not file.there}
                if gone and all(looked_for[place] < _RELISTS for place in gone):
                    looked_for.update(gone)
                    self.look_again()
                elif not (set_aside and self._set_aside(files)):
                    raise unreadable_lake(error, files) from None
        return empty

    def _set_aside(self, files: Sequence[LakeFile]) -> bool:
        """Try each file by itself, and set aside those that are broken; return whether any is."""
        broken = {file: reason for file in files if (reason := why_broken(file)) is not None}
        self.reasons |= broken
        return bool(broken)
