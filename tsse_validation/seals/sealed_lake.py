"""The lake as its seal tells of it: state files, listing, and what was found wrong; no row is read here."""

import json
from collections import Counter
from datetime import date
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from tsse_validation.domain.contract import Manifest, Replication
from tsse_validation.domain.errors import NotCheckedError, PromiseBrokenError
from tsse_validation.domain.stack import LakePaths
from tsse_validation.lake.file_checks import FileFindings, FileProblem
from tsse_validation.lake.reader import LakeFile, LakeListing, LakeReader, shard_day_of
from tsse_validation.seals.seal import FILES, LakeRead, Seal

State = TypeVar("State", bound=BaseModel)


class SealedLake(LakeReader):
    """A lake that only its seal tells of; raises NotCheckedError where the seal is of Postgres."""

    def __init__(self, seal: Seal) -> None:
        if seal.facts.lake is None:
            raise NotCheckedError("This is no seal of a lake.", "Make it by tsse-validate seal lake.")
        self.read: LakeRead = seal.facts.lake
        super().__init__(
            LakePaths(Path(self.read.hot), Path(self.read.cold) if self.read.cold else None, self.read.shards)
        )
        rows = seal.tables[FILES].to_pylist() if FILES in seal.tables else []
        self._files = tuple(self.file(row["place"], row["path"], row["size"]) for row in rows)

    def replication(self) -> Replication:
        """Return the state of replication as it was sealed; raises PromiseBrokenError where it is torn."""
        return _state("replication.json", self.read.replication, Replication)

    def manifest(self) -> Manifest:
        """Return the manifest as it was sealed; errors as in `replication`."""
        return _state("manifest.json", self.read.manifest, Manifest)

    def listing(self) -> LakeListing:
        """Return the files that were read for the seal, and what else lay there."""
        hot = self.paths.hot
        return LakeListing(
            files=tuple(sorted(self._files, key=lambda file: file.path)),
            temporary=tuple(hot / path for path in self.read.temporary),
            litter=tuple(hot / path for path in self.read.litter),
            foreign=tuple(hot / path for path in self.read.foreign),
            locations={file.day: file.location for file in self._files},
            named=frozenset(self.manifest().metrics.partitions),
        )

    def file(self, place: str, path: str, size: int = 0) -> LakeFile:
        """Return a file by its place and path; raises NotCheckedError where its path is none of the lake's."""
        named = shard_day_of(path)
        if named is None:
            msg = f"The lake's seal names a file by no date and shard: {path[:80]}."
            raise NotCheckedError(msg, "Seal the lake again.")
        root = self.paths.cold if place == "cold" and self.paths.cold else self.paths.hot
        return LakeFile(root / path, *named, place, size)

    def unreadable(self) -> dict[LakeFile, str]:
        """Return the files that could not be read as the lake was sealed, each with the reader's error."""
        broken = self.read.unreadable
        return {file: broken[file.relative] for file in self._files if file.relative in broken}

    def findings(self) -> FileFindings:
        """Return what was found to be wrong with the files."""
        seen = self.read.examined
        findings = FileFindings(seen.files, seen.rows, seen.unsorted)
        for aspect, faults in seen.problems.items():
            findings.problems[aspect] = [
                FileProblem(self.file(one.place, one.path), one.what, one.rows, frozenset(one.sensors))
                for one in faults
            ]
        return findings

    def rows_outside(self) -> Counter[date]:
        """Count the rows of each date that lie outside of the covered range, copies too."""
        return Counter(self.read.outside)


def _state(name: str, text: str, model: type[State]) -> State:
    try:
        return model.model_validate(json.loads(text))
    except (ValidationError, ValueError) as error:
        msg = f"{name}, as it was sealed, is not what the contract promises: {str(error).splitlines()[0][:120]}."
        raise PromiseBrokenError(msg, "State files are replaced atomically: a torn one is a bug.") from None
