"""Hands every differing row of a comparison on to the files that keep them, with its place in the lake."""

from collections.abc import Sequence

import pyarrow as pa

from tsse_validation.diagnosis.patterns import RowDiagnosis
from tsse_validation.diagnosis.placing import keys_of, placed
from tsse_validation.diagnosis.row_triage import RowTriage
from tsse_validation.domain.coverage import Coverage
from tsse_validation.domain.errors import SuiteError
from tsse_validation.lake.rows import COPY_SCHEMA
from tsse_validation.parity.comparing import DayComparison
from tsse_validation.parity.direct import DirectProof
from tsse_validation.runlog.difference_files import DifferenceFiles


class KeptRows:
    """The differing rows of one comparison; only of them the places in the lake are looked up.

    A comparison that is not `settled` has not come to its end, and the files say so.
    """

    def __init__(self, files: DifferenceFiles, proof: DirectProof, coverage: Coverage, shards: int) -> None:
        self._files = files
        self._proof = proof
        self._coverage = coverage
        self._shards = shards
        self._numbers: dict[tuple[str, tuple[RowDiagnosis, ...]], int] = {}
        files.begin()

    def add(self, comparison: DayComparison, told: Sequence[RowDiagnosis]) -> None:
        """Take in the rows of one day, each with what it was told by then."""
        if told:
            rows = placed(comparison, self._copies(comparison), self._shards)
            self._files.append(rows, [self._number(one) for one in told])

    def settle(self, triage: RowTriage) -> None:
        """End the comparison: each row has its last diagnosis."""
        for (diagnosis, alike), number in self._numbers.items():
            self._files.rename(number, triage.last_diagnosis(RowDiagnosis(diagnosis, alike=alike)))
        self._files.end()

    def _copies(self, comparison: DayComparison) -> pa.Table:
        try:
            return self._proof.lake_rows(self._coverage).copies(comparison.day, keys_of(comparison))
        except SuiteError:
            # what differs stands without its places; where the lake cannot be read, the proof itself says so
            return COPY_SCHEMA.empty_table()

    def _number(self, told: RowDiagnosis) -> int:
        # without its detail there are few
        known = told.diagnosis, told.alike
        if known not in self._numbers:
            self._numbers[known] = self._files.diagnosis(told.diagnosis)
        return self._numbers[known]
