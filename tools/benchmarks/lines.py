"""What digest lines cost the client, which grow with sensors and days and not with rows.

``python -m tools.benchmarks.lines LINES`` compares as many lines of both sides in a process of its own.
"""

import json
import subprocess
import sys
import time
from datetime import date

import numpy as np
import pyarrow as pa

from tests.support.memory import peak_bytes
from tools.benchmarks.figures import LineCost
from tools.benchmarks.starting import ROOT
from tsse_validation.domain.digest import DIGEST_SCHEMA, KEY_SCHEMA
from tsse_validation.parity.comparing import compare_digests

COUNTS = (27_300, 273_000, 1_092_000)
_DAYS = 91
_FIRST_DAY = date(2026, 1, 1).toordinal() - date(1970, 1, 1).toordinal()


def line_costs() -> tuple[LineCost, ...]:
    """Measure each number of lines in a process of its own."""
    return tuple(_measured(count) for count in COUNTS)


def _measured(count: int) -> LineCost:
    argv = [sys.executable, "-m", "tools.benchmarks.lines", str(count)]
    ended = subprocess.run(argv, cwd=ROOT, stdout=subprocess.PIPE, check=True)
    return LineCost.model_validate_json(ended.stdout)


def made_lines(count: int) -> pa.Table:
    """Return digests of as many sensor-days, in `DIGEST_SCHEMA`."""
    number = np.arange(count)
    ids = [f"{sensor:024x}" for sensor in range(count // _DAYS + 1)]
    columns = {
        "sensor_id": pa.array(ids).take(pa.array(number // _DAYS)),
        "day": pa.array((_FIRST_DAY + number % _DAYS).astype(np.int32), pa.date32()),
    }
    rest = (field for field in DIGEST_SCHEMA if field.name not in columns)
    columns |= {field.name: pa.array(number, pa.int64()).cast(field.type) for field in rest}
    return pa.table(columns).select(DIGEST_SCHEMA.names).cast(DIGEST_SCHEMA)


def main() -> None:
    """Compare, and write what it cost."""
    count = int(sys.argv[1])
    postgres, lake, no_keys = made_lines(count), made_lines(count), KEY_SCHEMA.empty_table()
    began = time.perf_counter()
    compared = compare_digests(postgres, lake, no_keys, no_keys)
    seconds = time.perf_counter() - began
    assert len(compared) == count
    sys.stdout.write(json.dumps({"lines": count, "seconds": seconds, "peak_bytes": peak_bytes()}))


if __name__ == "__main__":
    main()
