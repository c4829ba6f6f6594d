"""Proves some days in a process that does nothing else.

``python -m tests.integration.engine.memory_child HOT DAYS`` starts it.
The database's URL comes on standard input, for it holds a password. Prints how many rows agreed, how many
sensor-days differ, the rows of each diagnosis, and the peak of the resident memory, in bytes.
"""

import json
import sys
from datetime import timedelta
from pathlib import Path

from pydantic import SecretStr

from tests.support.memory import peak_bytes
from tsse_validation.clients.postgres import PostgresClient
from tsse_validation.diagnosis.row_triage import RowTriage
from tsse_validation.domain.coverage import Coverage, Scope
from tsse_validation.domain.stack import LakePaths
from tsse_validation.domain.windows import Window
from tsse_validation.lake.reader import LakeReader
from tsse_validation.parity.direct import DirectProof


def main() -> None:
    lake = LakeReader(LakePaths(Path(sys.argv[1])))
    client = PostgresClient(
        SecretStr(sys.stdin.read()), connect_timeout=10, statement_timeout=300, lock_timeout=10
    )
    coverage = Coverage.promised_by(lake.replication())
    window = Window(coverage.watermark - timedelta(days=int(sys.argv[2])), coverage.watermark)
    proof = DirectProof(client, lake)
    rows = proof.compare_sensor_days(Scope(window, coverage))
    differing = [row for row in rows if not row.matches]
    triage = RowTriage(lake.paths.shards, most_shown=200)
    for comparison in proof.compare_rows(Scope(window, coverage), differing):
        triage.add(comparison)
    sys.stdout.write(
        json.dumps(
            {
                "rows": sum(row.postgres for row in rows if row.matches),
                "differ": len(differing),
                "diagnoses": {finding.diagnosis: finding.rows for finding in triage.findings()},
                "peak": peak_bytes(),
            }
        )
    )


if __name__ == "__main__":
    main()
