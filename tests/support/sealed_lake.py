"""A small lake of three dates to be sealed, and a seal of Postgres that it can be sealed as of."""

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tests.support.builders import Row, rows_table
from tsse_validation.domain.contract import DATASET
from tsse_validation.domain.coverage import Coverage, Scope
from tsse_validation.domain.instants import DAY
from tsse_validation.domain.stack import LakePaths
from tsse_validation.lake.reader import LakeReader
from tsse_validation.lake.shards import shard_of
from tsse_validation.seals.lake_sealing import Reuse, seal_lake
from tsse_validation.seals.seal import KEYS_SCHEMA, LINE_SCHEMA, NOT_DUE, Seal, SealFacts, SealSide
from tsse_validation.seals.seal_file import seal_bytes, seal_of
from tsse_validation.seals.sealed_parts import promised_parts
from tsse_validation.seals.stamping import stamp_of

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
TARGET = BEGIN + 2 * DAY
WATERMARK = TARGET + timedelta(hours=12)
SENSORS = [f"sensor-{number}" for number in range(8)]
SHARDS = 4
MADE = datetime(2026, 1, 4, tzinfo=UTC)


@dataclass(frozen=True)
class SealedLake:
    """A lake on disk."""

    hot: Path

    @classmethod
    def of(cls, root: Path, watermark: datetime = WATERMARK) -> "SealedLake":
        lake = cls(root / "hot")
        lake.hot.joinpath("_state").mkdir(parents=True)
        lake.replicated(watermark)
        for day in range(3):
            hours = 12 if day == 2 else 24
            rows = [
                (sensor, BEGIN + day * DAY + hour * timedelta(hours=1), float(hour), 0, BEGIN + day * DAY)
                for sensor in SENSORS
                for hour in range(hours)
            ]
            lake.write("backfill-1-0.parquet", rows)
        return lake

    def replicated(self, watermark: datetime, **more: object) -> None:
        state = {
            "schema_version": 1,
            "computed_through_ts": watermark.isoformat(),
            "backfill_from_ts": BEGIN.isoformat(),
            "backfill_to_ts": TARGET.isoformat(),
            **more,
        }
        self.hot.joinpath("_state/replication.json").write_text(json.dumps(state), encoding="utf-8")
        self.hot.joinpath("_state/manifest.json").write_text("{}", encoding="utf-8")

    def write(self, name: str, rows: Iterable[Row], day: date | None = None) -> list[Path]:
        """Write rows to the shards that they belong to, on their dates or on another."""
        places: dict[Path, list[Row]] = {}
        for row in rows:
            shard = shard_of(row[0], SHARDS)
            places.setdefault(self.shard_day(day or row[1].date(), shard), []).append(row)
        for place, some in places.items():
            place.mkdir(parents=True, exist_ok=True)
            pq.write_table(rows_table(some), place / name, compression="none", use_dictionary=False)
        return [place / name for place in places]

    def shard_day(self, day: date, shard: str) -> Path:
        return self.hot / DATASET / f"date={day}" / f"shard={shard}"

    @property
    def files(self) -> list[Path]:
        return sorted(self.hot.glob(f"{DATASET}/date=*/shard=*/*.parquet"))

    @property
    def reader(self) -> LakeReader:
        return LakeReader(LakePaths(self.hot, None, SHARDS))

    def seal(
        self,
        as_of: Seal | None = None,
        baseline: Seal | None = None,
        *,
        share: float = 0.0,
        seed: int = 1,
        made: datetime = MADE,
    ) -> Seal:
        parts = as_of.facts.parts if as_of is not None else self.parts()
        reuse = Reuse(baseline, share, seed) if baseline is not None else None
        made_of = seal_lake(self.reader, parts, now=lambda: made, as_of=as_of, reuse=reuse)
        return seal_of(seal_bytes(made_of), "seal")

    def parts(self) -> tuple[Scope, ...]:
        return promised_parts(Scope.covered_by(Coverage.promised_by(self.reader.replication())))


def postgres_seal(parts: Sequence[Scope], not_due: Sequence[tuple[int, str, datetime]] = ()) -> Seal:
    """Make a seal of Postgres without lines: a lake takes its parts from it, and the keys not due."""
    keys = pa.Table.from_pylist(
        [{"part": part, "sensor_id": sensor, "ts": ts.replace(tzinfo=None)} for part, sensor, ts in not_due],
        KEYS_SCHEMA,
    )
    facts = SealFacts(side=SealSide.POSTGRES, parts=tuple(parts))
    seal = Seal(facts, stamp_of(MADE), LINE_SCHEMA.empty_table(), {NOT_DUE: keys})
    return seal_of(seal_bytes(seal), "seal")


def changed_in_place(path: Path) -> None:
    """Change a value of a file, and leave its size, footer and times as they were."""
    times = path.stat()
    content = bytearray(path.read_bytes())
    at = content.find(b"\x00\x00\x00\x00\x00\x00\xf0\x3f")  # 1.0
    assert at > 0
    content[at + 7] = 0x40
    path.write_bytes(bytes(content))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
