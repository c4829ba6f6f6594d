"""The bits of a value that differ between the two sides, for values that look alike in decimals."""

import math
import struct
from dataclasses import dataclass
from itertools import groupby

from tsse_validation.runlog.records import RowDifference

Marked = tuple[tuple[str, bool], ...]


@dataclass(frozen=True)
class Bits:
    """Both sides' 64 bits as hexadecimal digits, in runs of `(digits, whether they differ)`."""

    postgres: Marked
    lake: Marked
    differing: int


def bits_of(row: RowDifference) -> Bits | None:
    """Return where the two values' IEEE 754 bits differ; `None` where there are not two, or they are equal.

    A NaN is left out: its text does not say which of the many it was.
    """
    postgres = None if row.postgres is None else _bits(row.postgres.value)
    lake = None if row.lake is None else _bits(row.lake.value)
    if postgres is None or lake is None or postgres == lake:
        return None
    unequal = f"{postgres ^ lake:016x}"
    return Bits(_marked(postgres, unequal), _marked(lake, unequal), (postgres ^ lake).bit_count())


def _bits(written: str) -> int | None:
    try:
        value = float(written)
    except ValueError:
        return None
    return None if math.isnan(value) else int(struct.unpack(">Q", struct.pack(">d", value))[0])


def _marked(bits: int, unequal: str) -> Marked:
    pairs = zip(f"{bits:016x}", (digit != "0" for digit in unequal), strict=True)
    return tuple(
        ("".join(digit for digit, _ in run), differs) for differs, run in groupby(pairs, lambda pair: pair[1])
    )
