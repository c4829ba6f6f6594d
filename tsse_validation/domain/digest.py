"""An order-free digest of rows that Postgres and we compute alike: pure, vectorised, 64 bits wide.

A row's hash chains two of Postgres's own hashes of eight bytes (`hash_bytes_extended`, Bob Jenkins' lookup3), the
second seeded by the first. The sign of a zero has a hash of its own::

    epoch(row) = tstzrange_subdiff(ts, '1970-01-01 00:00+00'), the seconds between the two
    hash(row)  = hashfloat8extended(value, hashfloat8extended(epoch, SEED + quality))
    sign(row)  = hashfloat8extended(epoch, SIGN_SEED + quality) where the value is −0.0, else 0
    digest     = Σ hash(row) + sign(row) mod 2⁶⁴

What this binds, and the weaknesses it steps around:

- `epoch` is ``micros / 10⁶`` in double precision. From 1715 to 2255 the microsecond is more than an ulp, so
  distinct instants stay distinct. `timestamp_hash_extended` would fold 64 bits into 32 by XOR, and two instants
  2³² ± 1 µs apart would then be one. `date_part('epoch', ts)` is the same number, but reads the word `epoch` anew
  at each row. The subtraction is of doubles that count from 2000, as Postgres does: `row_hashes` does the same.
- `hashfloat8extended` takes −0.0 for 0.0, and returns the seed for both. So the rows with −0.0, and they alone,
  add their `sign`. It is a hash of the row's own instant and quality under seeds that no `hash` begins with. A
  sign that moves from one row to another takes one such hash away and adds another, and so changes the sum.
  Postgres works it out for those rows alone: most tables have none.
- A zero returns its seed, and so does the instant 1970-01-01 00:00 UTC. At that instant alone
  the hash of a value `x` is that of a 0 which stands `x` seconds later.
- A NaN of any payload is one NaN on both sides, as Postgres and the contract have it.
- A NULL quality of Postgres is 0, as the lake's writer makes it (contract section 4). A NULL in a lake is none
  of its writer's: it counts as −32769, and equals nothing.
- A sum, unlike an XOR, does not let equal pairs cancel: a row doubled adds its hash twice.

False matches: suppose two unequal sets of rows. Their digests agree only if the hashes and signs of the rows that
differ cancel to 0 mod 2⁶⁴. Two rows that differ in an instant or a quality, or in a value other than the sign of a
zero, have other inputs or seeds of `hash`; two that differ in that sign alone have the same `hash`, and one of
them a `sign` that no other row has. So at least one term stands on one side alone. Taking the hash for a random
function of its 64-bit input and seed, that term is uniform given all the others, so that the probability is 2⁻⁶⁴ ≈
5·10⁻²⁰ for a sensor-day, and below 10⁻¹⁴ for a check of 100,000 sensor-days over all releases of a lifetime. The
number of rows is compared besides. First and last `ts` are not: they are instants of rows, and each instant is
bound already. lookup3 is no cryptographic hash: the digest guards against faults, not against an adversary who
crafts rows.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

ROW_SCHEMA = pa.schema(
    [
        ("sensor_id", pa.string()),
        ("ts", pa.timestamp("us")),
        ("value", pa.float64()),
        ("quality", pa.int32()),
        ("inserted_at", pa.timestamp("us")),
    ]
)
"""A row: instants are UTC without a zone, at the microsecond."""

KEY_SCHEMA = pa.schema([ROW_SCHEMA.field("sensor_id"), ROW_SCHEMA.field("ts")])
"""What a row is known by."""


Bits32 = npt.NDArray[np.uint32]
Bits64 = npt.NDArray[np.uint64]

DIGEST_SCHEMA = pa.schema(
    [
        ("sensor_id", pa.string()),
        ("day", pa.date32()),
        ("rows", pa.int64()),
        ("digest", pa.uint64()),
    ]
)
"""What is compared of each sensor and UTC day: how many rows it has, and the digest of all of them."""

DIGEST_VERSION = 2
"""Of all that two digests must have in common to be compared: a row's hash, the sum, the columns of a line."""
SEED = 0x5453_5345_0000_0000
"""“TSSE” in the upper half; the lower has room for every quality."""
SIGN_SEED = SEED + 0x4000_0000
"""Of what a −0.0 adds: out of the reach of `SEED` and every quality."""
NULL_QUALITY = -32_769
"""Stands for a NULL in the lake: just below the smallest `smallint`, so that no quality of Postgres has it."""
QUALITY_SQL = "coalesce(quality, '0'::smallint)"
"""A row's quality in Postgres as the lake has it (contract section 4)."""
_SECOND = 1_000_000.0
_MICROS_TO_2000 = 946_684_800_000_000
"""From 1970, where Arrow's count of microseconds begins, to where Postgres's does."""
_GOLDEN = 0x9E37_79B9
_ARBITRARY = 3_923_095
_KEY_BYTES = 8
_CHUNK_ROWS = 32_768
"""Rows hashed at a time: their dozen intermediate arrays then stay in the processor's cache."""

_EPOCH_SQL = "tstzrange_subdiff(ts, timestamptz '1970-01-01 00:00:00+00')"
_HASH_SQL = f"hashfloat8extended(value, hashfloat8extended({_EPOCH_SQL}, {SEED} + {QUALITY_SQL}))"
_SIGN_SQL = f"hashfloat8extended({_EPOCH_SQL}, {SIGN_SEED} + {QUALITY_SQL})"
_IS_NEGATIVE_ZERO_SQL = "value = 0 AND float8send(value) = '\\x8000000000000000'"
DIGEST_SQL = f"sum({_HASH_SQL}) + coalesce(sum({_SIGN_SQL}) FILTER (WHERE {_IS_NEGATIVE_ZERO_SQL}), 0)"
"""The digest of some rows in Postgres 11 and newer, as a `numeric` that is not yet taken modulo 2⁶⁴.

The columns are those of `metrics` (contract section 5); the rows are those which the lake's writer makes of them.
"""
SUM_TYPE = pa.decimal128(38, 0)
"""Of `DIGEST_SQL`: holds the sum of 10¹⁸ rows, and more."""


def row_hashes(rows: pa.Table) -> Bits64:
    """Return what each row adds to a digest, by the lake's `ts` (timestamp[us] in UTC), `value` and `quality`."""
    hashes = np.empty(rows.num_rows, dtype=np.uint64)
    for begin in range(0, rows.num_rows, _CHUNK_ROWS):
        chunk = rows.slice(begin, _CHUNK_ROWS)
        hashes[begin : begin + chunk.num_rows] = _hash_chunk(chunk)
    return hashes


def _hash_chunk(rows: pa.Table) -> Bits64:
    values = rows["value"].to_numpy()
    micros = rows["ts"].cast(pa.int64()).to_numpy()
    qualities = rows["quality"]
    if qualities.null_count:
        qualities = qualities.fill_null(NULL_QUALITY)
    quality = qualities.to_numpy().astype(np.int64)
    epochs = _epochs(micros)
    hashes = hash_float8(values, hash_float8(epochs, (np.int64(SEED) + quality).view(np.uint64)))
    signed = np.flatnonzero((values == 0) & np.signbit(values))
    if signed.size:
        seeds = (np.int64(SIGN_SEED) + quality[signed]).view(np.uint64)
        hashes[signed] += hash_float8(epochs[signed], seeds)
    if rows["value"].null_count:  # NumPy takes it for a NaN; Postgres has none, and no hash of it
        hashes = np.where(rows["value"].is_null().to_numpy(), ~hashes, hashes)
    return hashes


def _epochs(micros: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    since_2000 = (micros - _MICROS_TO_2000).astype(np.float64)
    since_2000 += float(_MICROS_TO_2000)
    since_2000 /= _SECOND
    return since_2000


def hash_float8(values: npt.NDArray[np.float64], seeds: Bits64) -> Bits64:
    """Return Postgres's `hashfloat8extended` of each value under its seed."""
    not_numbers, zeros = np.isnan(values), values == 0
    canonical = np.where(not_numbers, np.nan, values) if not_numbers.any() else np.ascontiguousarray(values)
    hashed = _hash_bytes_8(canonical.view(np.uint64), seeds)
    return np.where(zeros, seeds, hashed) if zeros.any() else hashed


def _hash_bytes_8(keys: Bits64, seeds: Bits64) -> Bits64:
    """Return `hash_bytes_extended` of eight bytes, little-endian, under 64-bit seeds (common/hashfn.c)."""
    start = np.uint32((_GOLDEN + _KEY_BYTES + _ARBITRARY) & 0xFFFF_FFFF)
    a, b, c = start + _high(seeds), start + _low(seeds), np.full(keys.shape, start)
    _mix(a, b, c)
    if not seeds.all():  # the seed 0 alone is not mixed in
        for word in (a, b, c):
            word[seeds == 0] = start
    a += _low(keys)
    b += _high(keys)
    _final(a, b, c)
    return (b.astype(np.uint64) << np.uint64(32)) | c


def _low(words: Bits64) -> Bits32:
    return words.astype(np.uint32)


def _high(words: Bits64) -> Bits32:
    return (words >> np.uint64(32)).astype(np.uint32)


def _rotate(word: Bits32, bits: int) -> Bits32:
    rotated = word << np.uint32(bits)
    rotated |= word >> np.uint32(32 - bits)
    return rotated


def _mix(a: Bits32, b: Bits32, c: Bits32) -> None:
    """Mix three words in place: new arrays would cost a third more."""
    for first, second, third in ((4, 6, 8), (16, 19, 4)):
        a -= c
        a ^= _rotate(c, first)
        c += b
        b -= a
        b ^= _rotate(a, second)
        a += c
        c -= b
        c ^= _rotate(b, third)
        b += a


def _final(a: Bits32, b: Bits32, c: Bits32) -> None:
    """Mix three words for the last time, in place; `b` and `c` are the hash."""
    for word, by, bits in ((c, b, 14), (a, c, 11), (b, a, 25), (c, b, 16), (a, c, 4), (b, a, 14), (c, b, 24)):
        _stir(word, by, bits)


def _stir(word: Bits32, by: Bits32, bits: int) -> None:
    word ^= by
    word -= _rotate(by, bits)


def digest_days(rows: pa.Table, *, hashed: bool = True) -> pa.Table:
    """Return the digests of each sensor and UTC day among `rows`, in `DIGEST_SCHEMA`, unordered.

    `rows` has the lake's columns: `sensor_id` string, `ts` timestamp[us] in UTC without a zone, `value` double,
    `quality` int32. Each key must stand in `rows` once. Without `hashed` the digests are 0: then only counts are
    told.

    >>> from datetime import datetime
    >>> import pyarrow as pa
    >>> from tsse_validation import digest_days
    >>> ts = pa.array([datetime(2026, 1, 1, 12), datetime(2026, 1, 2)], pa.timestamp("us"))
    >>> quality = pa.array([0, 0], pa.int32())
    >>> rows = pa.table({"sensor_id": ["a", "a"], "ts": ts, "value": [1.5, 2.5], "quality": quality})
    >>> digests = digest_days(rows)
    >>> [(row["sensor_id"], str(row["day"]), row["rows"]) for row in digests.to_pylist()]
    [('a', '2026-01-01', 1), ('a', '2026-01-02', 1)]
    >>> digests.equals(digest_days(rows.take([1, 0])).sort_by("day"))
    True

    Raises:
        KeyError: a column is missing.
    """
    ts = rows["ts"]
    hashes = row_hashes(rows) if hashed else np.zeros(rows.num_rows, dtype=np.uint64)
    prepared = pa.table({"sensor_id": rows["sensor_id"], "day": ts.cast(pa.date32(), safe=False), "hash": hashes})
    return _grouped(prepared, (("hash", "count"), ("hash", "sum")))


def add_digests(parts: Sequence[pa.Table]) -> pa.Table:
    """Return the digests of rows whose digests were taken in disjoint parts."""
    if not parts:
        return DIGEST_SCHEMA.empty_table()
    return _grouped(pa.concat_tables(parts), (("rows", "sum"), ("digest", "sum")))


def modulo_64_bits(sums: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return sums of `SUM_TYPE` modulo 2⁶⁴, as uint64.

    A decimal of 128 bits is an integer in two's complement: its lower half is what is wanted, below zero too.
    """
    halves = [
        np.frombuffer(chunk.buffers()[1], dtype="<u8")[2 * chunk.offset : 2 * (chunk.offset + len(chunk)) : 2]
        for chunk in sums.chunks
        if len(chunk)
    ]
    return pa.chunked_array([np.ascontiguousarray(half) for half in halves], pa.uint64())


def rows_digested(digests: pa.Table) -> int:
    """Return how many rows stand behind digests."""
    return int(pc.sum(digests["rows"]).as_py() or 0)


def _grouped(table: pa.Table, aggregations: tuple[tuple[str, str], ...]) -> pa.Table:
    """Aggregate by sensor and day; Arrow sums unsigned integers modulo 2⁶⁴, as the digest wants it."""
    grouped = table.group_by(["sensor_id", "day"]).aggregate(list(aggregations))
    ordered = grouped.select(["sensor_id", "day", *(f"{column}_{how}" for column, how in aggregations)])
    return ordered.rename_columns(DIGEST_SCHEMA.names).cast(DIGEST_SCHEMA)
